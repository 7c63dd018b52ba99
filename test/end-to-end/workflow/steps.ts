import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import {
  type ActionFolder,
  type Command,
  commandFiles,
  machineVariables,
  parseCommandFile,
  readManifest,
  runAction,
  runnerVariables,
} from "../harness.ts";
import type { Permissions, Step } from "./document.ts";
import { type Contexts, expand } from "./expressions.ts";

/** What a step left behind. */
export interface StepRun {
  readonly id: string | undefined;
  /** The action, or the first line of the script. */
  readonly what: string;
  readonly conclusion: "success" | "failure" | "skipped";
  readonly outputs: Readonly<Record<string, string>>;
  readonly annotations: readonly Command[];
  readonly log: string;
  readonly summary: string;
}

/** The runner that a job has to itself. */
export interface Runner {
  readonly workspace: string;
  /** A folder for what only the runner writes. */
  readonly temp: string;
  /** What every step gets: the user's folder, GITHUB_… and what the machine sets. */
  readonly env: Readonly<Record<string, string>>;
  readonly permissions: Permissions;
  /** What must be in no log. */
  readonly secrets: readonly string[];
}

type Ended = Omit<StepRun, "id" | "what" | "conclusion"> & { readonly exitCode: number | null };

/** Runs a step that is to be run. */
export async function runStep(step: Step, contexts: Contexts, runner: Runner): Promise<StepRun> {
  const { exitCode, ...ended } = await dispatch(step, contexts, runner);
  for (const secret of runner.secrets) {
    const places = `${ended.log}\n${ended.summary}\n${JSON.stringify(ended.outputs)}`;
    if (places.includes(secret)) throw new Error(`a secret is in what ${nameOf(step)} leaves`);
  }
  const conclusion = exitCode === 0 ? "success" : "failure";
  return { id: step.id, what: nameOf(step), conclusion, ...ended };
}

/** A step whose condition does not hold. */
export function skipped(step: Step): StepRun {
  const nothing = { outputs: {}, annotations: [], log: "", summary: "" };
  return { id: step.id, what: nameOf(step), conclusion: "skipped", ...nothing };
}

function nameOf({ uses, run }: Step): string {
  return uses ?? run!.split("\n")[0]!;
}

function dispatch(step: Step, contexts: Contexts, runner: Runner): Promise<Ended> {
  const { uses, run } = step;
  const env = expandAll(step.env ?? {}, contexts);
  const ours = /^restbackup\/restbackup(?:\/(\w+))?@v0$/.exec(uses ?? "");
  if (run !== undefined) return runScript(expand(run, contexts), env, runner);
  if (ours !== null) {
    return runOurs((ours[1] ?? ".") as ActionFolder, expandAll(step.with ?? {}, contexts), {
      defaults: contexts,
      workspace: runner.workspace,
      env: { ...runner.env, ...env },
    });
  }
  if (uses === "actions/checkout@v6") {
    return checkOut(expandAll(step.with ?? {}, contexts), contexts, runner);
  }
  throw new Error(`${uses} cannot be run here`);
}

function expandAll(
  values: Readonly<Record<string, unknown>>,
  contexts: Contexts,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, expand(String(value), contexts)]),
  );
}

async function runOurs(
  folder: ActionFolder,
  given: Readonly<Record<string, string>>,
  { defaults, workspace, env }: { defaults: Contexts; workspace: string; env: object },
): Promise<Ended> {
  const { inputs, outputs } = readManifest(folder);
  // Those that are expressions, such as the job's token.
  const expanded = Object.entries(inputs).flatMap(([name, input]) =>
    input.default?.includes("${{") ? [[name, expand(input.default, defaults)]] : [],
  );
  const run = await runAction(folder, {
    with: { ...Object.fromEntries(expanded), ...given },
    workspace,
    env: { ...env },
  });
  // One that was not set is empty for those that ask.
  const unset = Object.fromEntries(Object.keys(outputs).map((name) => [name, ""]));
  return { ...run, outputs: { ...unset, ...run.outputs } };
}

/** As a runner on Linux does where no shell is named: `bash -e FILE`. */
async function runScript(
  script: string,
  env: Readonly<Record<string, string>>,
  { workspace, temp, env: common }: Runner,
): Promise<Ended> {
  const folder = fs.mkdtempSync(path.join(temp, "step-"));
  const files = commandFiles(folder);
  const file = path.join(folder, "script.sh");
  fs.writeFileSync(file, script);
  const variables = { ...machineVariables(), ...runnerVariables(temp, workspace), ...common };
  const { exitCode, log } = await run("bash", ["-e", file], workspace, {
    ...variables,
    ...files,
    ...env,
  });
  for (const unused of [files.GITHUB_ENV, files.GITHUB_PATH, files.GITHUB_STATE]) {
    if (fs.statSync(unused).size > 0) throw new Error(`${path.basename(unused)} is not honoured`);
  }
  const outputs = parseCommandFile(fs.readFileSync(files.GITHUB_OUTPUT, "utf8"));
  const summary = fs.readFileSync(files.GITHUB_STEP_SUMMARY, "utf8");
  return { exitCode, log, outputs, summary, annotations: [] };
}

/** What actions/checkout does: a real clone, with the job's token, that leaves no token behind. */
async function checkOut(
  inputs: Readonly<Record<string, string>>,
  contexts: Contexts,
  { workspace, env, permissions }: Runner,
): Promise<Ended> {
  const { ref, "fetch-depth": depth = "1", "persist-credentials": persist, ...rest } = inputs;
  if (Object.keys(rest).length > 0) throw new Error(`checkout: ${Object.keys(rest).join(", ")}`);
  if (persist !== "false") throw new Error("checkout leaves the job's token behind");
  if (permissions.contents !== "read") throw new Error("the job's token may not read contents");
  const { server_url, repository, sha, token } = contexts.github as Record<string, string>;
  const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
  const git = async (...args: string[]) => {
    const { exitCode, log } = await run("git", args, workspace, {
      ...machineVariables(),
      ...env,
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "http.extraHeader",
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    });
    if (exitCode !== 0) throw new Error(`checkout: ${log}`);
  };
  await git("init", "-q", ".");
  await git("remote", "add", "origin", `${server_url}/${repository}.git`);
  const shallow = depth === "0" ? [] : [`--depth=${depth}`];
  const all = depth === "0" ? ["+refs/heads/*:refs/remotes/origin/*"] : [];
  await git("fetch", "-q", "--no-tags", ...shallow, "origin", ...all, ref ?? sha!);
  await git("checkout", "-q", "--detach", "FETCH_HEAD");
  return { exitCode: 0, log: "", outputs: {}, summary: "", annotations: [] };
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ exitCode: number | null; log: string }> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  const [out, error, exitCode] = await Promise.all([
    ...[text(child.stdout), text(child.stderr)],
    ended,
  ]);
  return { exitCode: exitCode as number | null, log: `${out}\n${error}` };
}
