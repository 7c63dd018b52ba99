import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseCommand, parseCommandFile, runAction } from "./harness.ts";

let repository: string;

beforeEach(() => {
  repository = fs.mkdtempSync(path.join(os.tmpdir(), "harness-"));
  const manifest = {
    inputs: { "access-url": {}, mode: { default: "plain" } },
    outputs: { entry: {} },
    runs: { using: "node24", main: "main.mjs" },
  };
  fs.writeFileSync(path.join(repository, "action.yml"), JSON.stringify(manifest));
});

afterEach(() => fs.rmSync(repository, { recursive: true, force: true }));

/** Runs a step whose main file holds `code`. */
function run(code: string, inputs: Record<string, string> = {}) {
  const prelude = `import fs from "node:fs"; const { env } = process;
    const output = (text) => fs.appendFileSync(env.GITHUB_OUTPUT, text + "\\n");\n`;
  fs.writeFileSync(path.join(repository, "main.mjs"), prelude + code);
  return runAction(".", { with: inputs, workspace: repository, repository });
}

const ENTRY = 'output("entry=x");';

describe("the harness gives a step", () => {
  it("its inputs and their defaults, and nothing of this process's environment", async () => {
    process.env.RESTBACKUP_KEY_OF_TEST = "leak";
    const step = run('output("entry=" + JSON.stringify(env))', { "access-url": "a" });
    const { outputs } = await step.finally(() => delete process.env.RESTBACKUP_KEY_OF_TEST);
    const env = JSON.parse(outputs.entry!);
    expect(env).toMatchObject({ "INPUT_ACCESS-URL": "a", INPUT_MODE: "plain", CI: "true" });
    expect(Object.keys(env)).not.toContain("RESTBACKUP_KEY_OF_TEST");
    expect(Object.keys(env).filter((name) => /^(npm|VITEST|NODE)/.test(name))).toEqual([]);
  });

  it("no input that action.yml does not declare", async () => {
    await expect(run(ENTRY, { acces: "a" })).rejects.toThrow("no input acces");
  });
});

describe("the harness refuses a step that", () => {
  it.each([
    ["prints a secret before its mask", `console.log("hunter2\\n::add-mask::hunter2"); ${ENTRY}`],
    ["prints a secret after its mask", `console.log("::add-mask::hunter2\\nhunter2"); ${ENTRY}`],
    [
      "prints a secret to stderr",
      `console.log("::add-mask::hunter2"); console.error("hunter2"); ${ENTRY}`,
    ],
    [
      "puts a secret into an output",
      'console.log("::add-mask::hunter2"); output("entry=hunter2");',
    ],
    [
      "puts a secret into the summary",
      `console.log("::add-mask::hunter2"); fs.writeFileSync(env.GITHUB_STEP_SUMMARY, "hunter2"); ${ENTRY}`,
    ],
    ["sets an output it does not declare", `output("other=1"); ${ENTRY}`],
    ["leaves an output unset", ""],
    ["gives a command it should not", `console.log("::set-env name=A::b"); ${ENTRY}`],
    ["gives an old-style command", `console.log("file ##[set-output name=a]b"); ${ENTRY}`],
    ["changes the job's environment", `fs.writeFileSync(env.GITHUB_ENV, "A=b"); ${ENTRY}`],
  ])("%s", async (_, code) => {
    await expect(run(code)).rejects.toThrow();
    // The same step without its fault is let through.
    await expect(run(ENTRY)).resolves.toMatchObject({ exitCode: 0, outputs: { entry: "x" } });
  });
});

describe("the harness reads as a runner does", () => {
  it("workflow commands", () => {
    expect(parseCommand("::error title=a%3Ab,file=c%2Cd::50%25%0Amore: x::y")).toEqual({
      name: "error",
      properties: { title: "a:b", file: "c,d" },
      message: "50%\nmore: x::y",
    });
    expect(parseCommand("::endgroup::")).toEqual({ name: "endgroup", properties: {}, message: "" });
    expect(parseCommand("a ::error::b")).toBeUndefined();
  });

  it("output files", () => {
    expect(parseCommandFile("a=1=2\nb<<END\nx\n\ny=z\nEND\nc=\n")).toEqual({
      a: "1=2",
      b: "x\n\ny=z",
      c: "",
    });
    expect(() => parseCommandFile("b<<END\nx\n")).toThrow("without its end");
    expect(() => parseCommandFile("nothing\n")).toThrow("malformed");
  });
});
