import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SnapshotWorld } from "../../snapshot/world.ts";
import type { Trigger } from "./document.ts";
import { runWorkflow, type WorkflowRun } from "./run.ts";

const github = new SnapshotWorld();
const repository = "octo-org/website";

beforeAll(async () => {
  await github.start();
  github.createRepository(repository);
  github.git(github.bare(repository), "config", "uploadpack.allowAnySHA1InWant", "true");
});
afterAll(() => github.close());

const commitOf = (ref: string) =>
  github.git(github.bare(repository), "rev-parse", `${ref}^{commit}`).trim();

/** Runs jobs, given as YAML, of a workflow that is started by a push. */
function run(jobs: string, top = "", trigger: Trigger = { event: "push" }): Promise<WorkflowRun> {
  const text = `name: test\non: push\npermissions:\n  contents: read\n${top}jobs:\n${jobs}`;
  return runText(text, trigger);
}

/** In the texts here «…» stands for an expression. */
function runText(text: string, trigger: Trigger): Promise<WorkflowRun> {
  const { url } = github.server;
  return runWorkflow(
    text.replaceAll("«", "${{ ").replaceAll("»", " }}"),
    {
      secrets: { PASSWORD: "a-secret-1234" },
      github: { repository, server_url: url, api_url: url, graphql_url: url, token: github.token },
      env: {},
      commitOf,
      scratch: github.folder(),
    },
    trigger,
  );
}

/** A job of steps, given as YAML, each beginning with "- ". */
const job = (id: string, steps: string, more = "") =>
  `  ${id}:\n    runs-on: ubuntu-latest\n${more}    steps:\n${steps.replaceAll(/^/gm, "      ")}\n`;

const conclusions = ({ jobs }: WorkflowRun) =>
  Object.fromEntries(jobs.map(({ id, conclusion }) => [id, conclusion]));

describe("what runs workflows in tests", () => {
  it("runs steps in one workspace, and hands on outputs of steps and jobs", async () => {
    const { jobs, conclusion, group } = await run(
      job(
        "first",
        [
          "- id: make",
          "  run: |",
          '    echo "$GREETING" > file',
          '    echo "made=$(cat file)" >> "$GITHUB_OUTPUT"',
          "  env:",
          "    GREETING: hello from «github.ref_name»",
          "- run: test \"$(cat file)\" = '«steps.make.outputs.made»'",
        ].join("\n"),
        "    outputs:\n      said: «steps.make.outputs.made», twice\n",
      ) + job("second", '- run: echo "«needs.first.outputs.said»"', "    needs: first\n"),
      "concurrency: «github.workflow»-«github.ref_name»\n",
    );
    expect(conclusion).toBe("success");
    expect(group).toBe("test-main");
    expect(jobs[1]!.steps[0]!.log.trim()).toBe("hello from main, twice");
    expect(fs.readFileSync(path.join(jobs[0]!.workspace, "file"), "utf8")).toMatch(/^hello/);
    expect(fs.readdirSync(jobs[1]!.workspace)).toEqual([]);
  });

  it("ends a script at the first command that fails, and the job, but for what asks how it went", async () => {
    const { jobs, conclusion } = await run(
      job(
        "only",
        "- run: |\n    false\n    touch there\n- run: touch there\n- if: failure()\n  run: ls",
      ),
    );
    expect(conclusion).toBe("failure");
    expect(jobs[0]!.steps.map((step) => step.conclusion)).toEqual([
      ...["failure", "skipped", "success"],
    ]);
    expect(jobs[0]!.steps[2]!.log.trim()).toBe("");
  });

  it("skips jobs whose need failed or was skipped, but for what asks how it went", async () => {
    const after = (need: string, more = "") => `    needs: ${need}\n${more}`;
    const result = await run(
      [
        job("a", "- run: false"),
        job("b", "- run: true", after("a")),
        job("c", "- run: true", after("b")),
        job("d", "- run: true", after("a", "    if: failure()\n")),
        job(
          "e",
          "- run: true",
          after("[a, d]", "    if: always() && needs.d.result == 'success'\n"),
        ),
        job("f", "- run: true", "    if: github.ref_name != 'main'\n"),
      ].join(""),
    );
    expect(conclusions(result)).toEqual({
      ...{ a: "failure", b: "skipped", c: "skipped", d: "success", e: "success", f: "skipped" },
    });
  });

  it("runs the jobs of a matrix at the same time, each with its point", async () => {
    const meet = github.folder();
    const matrix =
      "    strategy:\n      fail-fast: false\n      matrix:\n        n: [1, 2]\n        l: [x]\n";
    const wait = `- run: touch '${meet}/«matrix.n»«matrix.l»'; until test -e '${meet}/1x' -a -e '${meet}/2x'; do sleep 0.01; done`;
    const { jobs, conclusion } = await run(job("both", wait, matrix));
    expect(conclusion).toBe("success");
    expect(jobs.map((one) => one.matrix)).toEqual([
      { n: 1, l: "x" },
      { n: 2, l: "x" },
    ]);
  });

  it("checks out what is asked for, and leaves no token behind", async () => {
    const checkout = (more: string) =>
      `- uses: actions/checkout@v6\n  with:\n    persist-credentials: false\n${more}`;
    const { jobs } = await run(
      job("one", `${checkout("")}- run: git rev-parse HEAD && git rev-list --count HEAD`) +
        job(
          "all",
          `${checkout("    ref: feature/one\n    fetch-depth: 0\n")}- run: git rev-parse HEAD && git rev-list --count HEAD`,
        ),
    );
    expect(jobs.map(({ steps }) => steps[1]!.log.trim())).toEqual([
      `${commitOf("main")}\n1`,
      `${commitOf("feature/one")}\n2`,
    ]);
    const config = fs.readFileSync(path.join(jobs[0]!.workspace, ".git/config"), "utf8");
    expect(config).not.toMatch(/extraheader|[0-9a-f]{36}/i);
  });

  it("gives a form's inputs their types and defaults, and asks for what is required", async () => {
    const text = [
      ...["name: form", "on:", "  workflow_dispatch:", "    inputs:"],
      ...["      text:", "        required: true", "      sure:", "        type: boolean"],
      ...["      colour:", "        type: choice", "        options: [red, blue]"],
      ...["permissions: {}", "jobs:"],
      job("show", "- run: echo '«inputs.text» «inputs.sure» «inputs.colour»'"),
    ].join("\n");
    const form = (inputs: Trigger["inputs"] & object) =>
      runText(text, { event: "workflow_dispatch", inputs });
    const { jobs } = await form({ text: "a" });
    expect(jobs[0]!.steps[0]!.log.trim()).toBe("a false red");
    await expect(form({})).rejects.toThrow("required");
    await expect(form({ text: "a", colour: "green" })).rejects.toThrow("colour");
    await expect(form({ text: "a", more: "b" })).rejects.toThrow("more");
    await expect(runText(text, { event: "push" })).rejects.toThrow("does not start");
  });
});

describe("what runs workflows in tests refuses", () => {
  const simple = job("job", "- run: true");
  it.each([
    ["a secret there is none of", job("job", "- run: echo «secrets.KEY»"), "", /KEY/],
    ["a secret in a log", job("job", "- run: echo «secrets.PASSWORD»"), "", /a secret/],
    ["a function it does not know", job("job", "- run: echo «hashFiles('a')»"), "", /hashFiles/],
    [
      "an output never set",
      job("job", "- id: a\n  run: true\n- run: echo «steps.a.outputs.b»"),
      "",
      / b;/,
    ],
    ["actions of others", job("job", "- uses: actions/setup-node@v6"), "", /cannot be run/],
    ["a checkout that keeps its token", job("job", "- uses: actions/checkout@v6"), "", /token/],
    ["a key of a step", job("job", "- run: true\n  continue-on-error: true"), "", /continue/],
    ["a key of a job", job("job", "- run: true", "    container: alpine\n"), "", /container/],
    ["a key of the workflow", simple, "defaults: {}\n", /defaults/],
    ["other runners", simple.replace("ubuntu", "windows"), "", /runner/],
    ["a job before the one it needs", job("a", "- run: true", "    needs: b\n"), "", /needs b/],
    ["variables for later steps", job("job", '- run: echo A=b >> "$GITHUB_ENV"'), "", /set_env/],
  ])("%s", async (_, jobs, top, fault) => {
    await expect(run(jobs, top)).rejects.toThrow(fault);
  });

  it("a push to what the workflow is not for", async () => {
    const text = `name: n\non:\n  push:\n    tags: ["v*"]\npermissions: {}\njobs:\n${simple}`;
    await expect(runText(text, { event: "push" })).rejects.toThrow("does not start");
    const tagged = await runText(text, { event: "push", ref: "refs/tags/v1.0" });
    expect(tagged.conclusion).toBe("success");
  });
});
