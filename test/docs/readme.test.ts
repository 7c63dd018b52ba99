import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { EXIT_CODES_IN_WORDS } from "../../src/cli/exit-codes.ts";
import { buildProgram } from "../../src/cli/program.ts";
import {
  commandLines,
  documents,
  faultOf,
  fenced,
  leadsSomewhere,
  npmScripts,
  read,
  relativeLinks,
  tableAfter,
} from "./documents.ts";
import { faultsOf } from "./workflows.ts";

const readme = read("README.md");

interface Input {
  readonly default?: string;
  readonly required?: boolean;
}

interface Manifest {
  readonly inputs: Record<string, Input>;
  readonly outputs: Record<string, object>;
}

const ACTIONS = {
  "restbackup/restbackup": parse(read("action.yml")) as Manifest,
  "restbackup/restbackup/restore": parse(read("restore/action.yml")) as Manifest,
  "restbackup/restbackup/verify": parse(read("verify/action.yml")) as Manifest,
};

describe.each(documents)("%s", (document) => {
  const text = read(document);

  it("has no link that leads nowhere", () => {
    expect(relativeLinks(text).filter((link) => !leadsSomewhere(document, link))).toEqual([]);
  });

  it("shows only command lines that are understood", async () => {
    const faults = await Promise.all(commandLines(text).map(faultOf));
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
  });

  it("names only scripts there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: object };
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(npmScripts(text)));
  });
});

describe("these checks", () => {
  it("find the documents, and what is in them", () => {
    expect(documents).toEqual(expect.arrayContaining(["README.md", "docs/format.md"]));
    expect(relativeLinks(readme)).toContain("docs/security.md");
    const lines = commandLines(readme).map(({ line }) => line);
    expect(lines).toEqual(
      expect.arrayContaining([
        "backup docs --name docs",
        "restore --name docs --to docs-restored",
        "keygen --signing -o signing.txt",
      ]),
    );
    expect(npmScripts(readme)).toEqual(expect.arrayContaining(["start", "test", "bench"]));
  });

  it("notice dead links and command lines that fail", async () => {
    expect(leadsSomewhere("README.md", "docs/nowhere.md")).toBe(false);
    expect(leadsSomewhere("README.md", "../elsewhere")).toBe(false);
    expect(leadsSomewhere("README.md", "#no-such-heading")).toBe(false);
    expect(leadsSomewhere("README.md", "#try-it")).toBe(true);
    const whole = (line: string) => faultOf({ line, whole: true });
    expect(await whole("restore --everything")).toContain("--everything");
    expect(await whole("brestore")).toContain("brestore");
    expect(await whole("serve")).toContain("--data");
    expect(await whole("serve --data x --listen :443")).toContain("HOST:PORT");
    expect(await faultOf({ line: "serve", whole: false })).toBeUndefined();
  });
});

describe("the README's tables", () => {
  const plain = (cell = "") => cell.replaceAll("`", "");

  it("name every command", () => {
    const rows = tableAfter(readme, "## Command line").map(([command]) => plain(command));
    const named = rows.map((row) => /^(?:account )?[a-z-]+/.exec(row)?.[0]);
    const commands = buildProgram(() => {
      throw new Error("nothing is run");
    }).commands.flatMap((one) =>
      one.commands.length === 0 ? [one.name()] : one.commands.map((sub) => `account ${sub.name()}`),
    );
    expect(named.toSorted()).toEqual(commands.toSorted());
  });

  it("say of exit codes what --help says", () => {
    const rows = tableAfter(readme, "| exit code").map((row) => row.map(plain).join(": "));
    const help = [...EXIT_CODES_IN_WORDS.matchAll(/^ {2}(\d+(?: and more)?)(?::| {2,}| )(.+)$/gm)];
    expect(help).toHaveLength(11);
    expect(rows).toEqual(help.map(([, code, meaning]) => `${code}: ${meaning!.trim()}`));
  });

  it.each([
    ["Backup (`restbackup/restbackup`)", ACTIONS["restbackup/restbackup"]],
    ["Restore (`restbackup/restbackup/restore`)", ACTIONS["restbackup/restbackup/restore"]],
    ["Verify (`restbackup/restbackup/verify`)", ACTIONS["restbackup/restbackup/verify"]],
  ])("list the inputs, defaults and outputs: %s", (heading, { inputs, outputs }) => {
    const rows = tableAfter(readme, heading);
    expect(rows.map(([input]) => plain(input))).toEqual(Object.keys(inputs));
    // In code type stands what action.yml says; in words what an empty input comes to.
    const defaults = rows.map(([, cell]) => /^`(.*)`$/.exec(cell ?? "")?.[1]);
    expect(defaults).toEqual(Object.values(inputs).map((input) => input.default));
    const line = /^Outputs: (.*)\.$/m.exec(readme.slice(readme.indexOf(heading)))?.[1];
    expect(plain(line).split(", ")).toEqual(Object.keys(outputs));
  });
});

describe("the README's workflows", () => {
  const workflows = fenced(readme, "yaml");

  it("are the first backup and the gallery, each with a name of its own", () => {
    const names = workflows.map((workflow) => parse(workflow).name);
    expect(names).toEqual([
      ...["Backup", "Restore", "Verify backups", "Snapshot the repository"],
      ...["Backup by a runner that only writes", "Build", "Deploy", "Release", "Packages"],
    ]);
  });

  it.each(workflows)(
    "are ones that an experienced maintainer would write: %#",
    async (workflow) => {
      expect(await faultsOf(workflow)).toEqual([]);
    },
  );

  it.each([
    ["docs/snapshots.md", "Snapshot the repository"],
    ["docs/verify.md", "Verify backups"],
  ])("stand in %s, too, letter for letter", (document, name) => {
    const [there] = fenced(read(document), "yaml");
    expect(workflows).toContain(there);
    expect(parse(there!).name).toBe(name);
  });
});

describe("the check of workflows", () => {
  const [backup] = fenced(readme, "yaml");

  it.each([
    ["an input that is none", /name: website$/m, "nmae: website", /nmae/],
    ["one that is missing", / +access-url: .*\n/, "", /access-url/],
    ["what actionlint finds", "secrets.BACKUP_KEY", "secret.BACKUP_KEY", /undefined variable/],
    ["what GitHub's parser finds", 'cron: "17 3 * * *"', 'cron: "17 3 * *"', /cron/i],
    ["no permissions", /permissions:\n.*\n/, "", /permissions/],
    ["more than reading", "contents: read", "contents: write", /permissions/],
    ["no timeout", / +timeout-minutes: .*\n/, "", /timeout/],
    ["an action of no version", "restbackup@v0", "restbackup@main", /version/],
    ["an action of others", "actions/checkout@v6", "somebody/checkout@v6", /somebody/],
    ["a token left behind", / +with:\n +persist-credentials: false\n/, "", /token/],
    ["text that runs as a script", "npm ci", `echo $${"{{"} github.ref_name }}`, /script/],
  ])("notices %s", async (_, from, to, fault) => {
    const spoiled = backup!.replace(from, to);
    expect(spoiled).not.toBe(backup);
    expect((await faultsOf(spoiled)).join("\n")).toMatch(fault);
  });
});
