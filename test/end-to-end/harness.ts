import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

/** The folder of this repository. */
export const ours = fileURLToPath(new URL("../..", import.meta.url));

/** The Actions of this repository by the folder of their action.yml. */
export type ActionFolder = "." | "restore" | "snapshot" | "verify";

interface Manifest {
  readonly inputs: Record<string, { readonly default?: string; readonly required?: boolean }>;
  readonly outputs: Record<string, unknown>;
  readonly runs: { readonly using: string; readonly main: string };
}

/** A workflow command as printed by a step: `::error title=Backup::message`. */
export interface Command {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

export interface Run {
  readonly exitCode: number | null;
  readonly outputs: Readonly<Record<string, string>>;
  /** What the step wrote for the job summary, Markdown. */
  readonly summary: string;
  /** Errors, warnings and notices, in order. */
  readonly annotations: readonly Command[];
  /** Every value the step asked the runner to hide. */
  readonly masks: readonly string[];
  /** Stdout and stderr as a person reads them in the log: without commands that set masks. */
  readonly log: string;
  /** Stdout as it was. */
  readonly stdout: string;
}

export interface RunOptions {
  /** The step's `with:`. */
  readonly with: Readonly<Record<string, string>>;
  /** The job's workspace folder. */
  readonly workspace: string;
  /** The step's `env:`; may also replace what the runner sets, for other events and runners. */
  readonly env?: Readonly<Record<string, string>>;
  /** The folder the Actions' repository is checked out to, when it is not this one. */
  readonly repository?: string;
  /** Called once the step runs; for cancelling it. */
  readonly onStart?: (step: ChildProcess) => void;
}

/**
 * Runs a step with one of our Actions as a GitHub runner does: the file that action.yml names, on
 * Node 24, with the inputs, defaults, files and variables a runner gives and no others. Throws when
 * the step does what a runner or a user must not see: an output that action.yml does not declare, a
 * declared one missing after success, a command nobody knows, a secret outside a mask.
 */
export async function runAction(folder: ActionFolder, options: RunOptions): Promise<Run> {
  const repository = options.repository ?? ours;
  const manifest = readManifest(folder, repository);
  const temp = fs.mkdtempSync(path.join(os.tmpdir(), "runner-"));
  try {
    const files = commandFiles(temp);
    const main = path.join(repository, folder, manifest.runs.main);
    const env = {
      ...machineVariables(),
      ...runnerVariables(temp, options.workspace),
      ...files,
      ...inputVariables(folder, manifest, options.with),
      ...options.env,
    };
    const finished = await runNode(main, env, options);
    return judge(manifest, files, finished);
  } finally {
    fs.rmSync(temp, { recursive: true, force: true });
  }
}

export function readManifest(folder: ActionFolder, repository = ours): Manifest {
  const manifest = parse(fs.readFileSync(path.join(repository, folder, "action.yml"), "utf8"));
  if (manifest.runs.using !== "node24") throw new Error(`${folder}: not a node24 action`);
  return manifest;
}

/** What the runner's own machine gives every process; nothing else of ours leaks into the step. */
export function machineVariables(): Record<string, string> {
  // Those after HOME are what programs on Windows cannot do without.
  const inherited = ["PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "PATHEXT", "TEMP"];
  return Object.fromEntries(
    inherited.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export function runnerVariables(temp: string, workspace: string): Record<string, string> {
  const system = { linux: "Linux", darwin: "macOS", win32: "Windows" }[process.platform as string];
  return {
    CI: "true",
    GITHUB_ACTIONS: "true",
    GITHUB_ACTION: "__self",
    GITHUB_ACTOR: "octocat",
    GITHUB_API_URL: "https://api.github.com",
    GITHUB_EVENT_NAME: "push",
    GITHUB_JOB: "backup",
    GITHUB_REF: "refs/heads/main",
    GITHUB_REF_NAME: "main",
    GITHUB_REPOSITORY: "octo-org/website",
    GITHUB_REPOSITORY_OWNER: "octo-org",
    GITHUB_RUN_ATTEMPT: "1",
    GITHUB_RUN_ID: "1658821493",
    GITHUB_RUN_NUMBER: "3",
    GITHUB_SERVER_URL: "https://github.com",
    GITHUB_SHA: "ffac537e6cbbf934b08745a378932722df287a53",
    GITHUB_WORKFLOW: "nightly",
    GITHUB_WORKSPACE: workspace,
    RUNNER_ARCH: process.arch.toUpperCase(),
    RUNNER_ENVIRONMENT: "github-hosted",
    RUNNER_NAME: "runner-1",
    RUNNER_OS: system ?? "Linux",
    RUNNER_TEMP: temp,
  };
}

/** The empty files a runner reads after the step. */
export function commandFiles(temp: string) {
  const make = (name: string) => {
    const file = path.join(temp, name);
    fs.writeFileSync(file, "");
    return file;
  };
  return {
    GITHUB_ENV: make("set_env"),
    GITHUB_OUTPUT: make("set_output"),
    GITHUB_PATH: make("add_path"),
    GITHUB_STATE: make("save_state"),
    GITHUB_STEP_SUMMARY: make("step_summary"),
  };
}

/** `with:` and the defaults of action.yml as a runner hands them over: all of them, by upper-case name. */
function inputVariables(
  folder: ActionFolder,
  { inputs }: Manifest,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(inputs, name));
  // A runner only warns; in a test it is a mistake.
  if (unknown.length > 0)
    throw new Error(`${folder}/action.yml has no input ${unknown.join(", ")}`);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [
      `INPUT_${name.replaceAll(" ", "_").toUpperCase()}`,
      given[name] ?? input.default ?? "",
    ]),
  );
}

interface Finished {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runNode(
  main: string,
  env: Record<string, string>,
  { workspace, onStart }: RunOptions,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // The tests themselves run on Node 24 or later; `process.execPath` is what they run on.
    const child = spawn(process.execPath, [main], { cwd: workspace, env, stdio: "pipe" });
    let stdout = "";
    let stderr = "";
    child.stdin.end();
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
    child.on("spawn", () => onStart?.(child));
  });
}

function judge(
  manifest: Manifest,
  files: ReturnType<typeof commandFiles>,
  { exitCode, stdout, stderr }: Finished,
): Run {
  const commands: Command[] = [];
  const lines: string[] = [];
  const masks: string[] = [];
  for (const line of stdout.split(/\r?\n/)) {
    const command = parseCommand(line);
    if (command?.name !== "add-mask") {
      lines.push(line);
      // What stands in a log before its mask is there for all to read.
      if (command !== undefined) commands.push(command);
      continue;
    }
    masks.push(command.message);
  }
  const log = `${lines.join("\n")}\n${stderr}`;
  const summary = fs.readFileSync(files.GITHUB_STEP_SUMMARY, "utf8");
  const outputText = fs.readFileSync(files.GITHUB_OUTPUT, "utf8");
  const outputs = parseCommandFile(outputText);

  checkKnown(commands);
  checkSecrets(masks, { log, summary, outputs: outputText });
  checkOutputs(Object.keys(manifest.outputs), Object.keys(outputs), exitCode === 0);
  for (const unused of [files.GITHUB_ENV, files.GITHUB_PATH, files.GITHUB_STATE]) {
    if (fs.statSync(unused).size > 0) throw new Error(`the step wrote to ${path.basename(unused)}`);
  }
  const annotations = commands.filter(({ name }) => ["error", "warning", "notice"].includes(name));
  return { exitCode, outputs, summary, annotations, masks, log, stdout };
}

/** The commands our steps may give. */
function checkKnown(commands: readonly Command[]): void {
  const known = ["error", "warning", "notice", "debug", "group", "endgroup"];
  const strange = commands.filter(({ name }) => !known.includes(name));
  if (strange.length > 0) throw new Error(`unexpected command: ${JSON.stringify(strange)}`);
}

/**
 * No hidden value may be readable anywhere. The runner's masks would cover for a careless step, so
 * they are not applied here; values under four letters occur by chance and prove nothing.
 */
function checkSecrets(masks: readonly string[], places: Record<string, string>): void {
  for (const mask of masks.filter(({ length }) => length >= 4)) {
    for (const [place, text] of Object.entries(places)) {
      if (text.includes(mask)) throw new Error(`a secret stands in the ${place}: ${text}`);
    }
  }
}

function checkOutputs(declared: string[], set: string[], success: boolean): void {
  const undeclared = set.filter((name) => !declared.includes(name));
  if (undeclared.length > 0) throw new Error(`not in action.yml: output ${undeclared.join(", ")}`);
  const missing = declared.filter((name) => !set.includes(name));
  if (success && missing.length > 0) throw new Error(`never set: output ${missing.join(", ")}`);
}

/** Reads `::name key=value,key=value::message` as the runner does; undefined for other lines. */
export function parseCommand(line: string): Command | undefined {
  const match = /^\s*::(?<name>[^ :]+)(?: (?<properties>.*?))?::(?<message>.*)$/.exec(line);
  if (match === null) {
    if (line.includes("##[")) throw new Error(`an old-style workflow command: ${line}`);
    return undefined;
  }
  const { name, properties, message } = match.groups as Record<string, string | undefined>;
  const pairs = (properties ?? "").split(",").filter((pair) => pair.includes("="));
  return {
    name: name!,
    message: unescapeData(message!),
    properties: Object.fromEntries(
      pairs.map((pair) => {
        const [key, ...value] = pair.split("=");
        const text = value.join("=").replaceAll("%3A", ":").replaceAll("%2C", ",");
        return [key!.trim(), unescapeData(text)];
      }),
    ),
  };
}

function unescapeData(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}

/** Reads `NAME=VALUE` lines and `NAME<<DELIMITER` … `DELIMITER` blocks. */
export function parseCommandFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    if (line === "") continue;
    const block = /^([^=]+?)<<(.+)$/.exec(line);
    if (block === null) {
      const [name, ...value] = line.split("=");
      if (value.length === 0) throw new Error(`malformed line in a command file: ${line}`);
      values[name!] = value.join("=");
      continue;
    }
    const end = lines.indexOf(block[2]!, index + 1);
    if (end === -1) throw new Error(`a block without its end in a command file: ${line}`);
    values[block[1]!] = lines.slice(index + 1, end).join("\n");
    index = end;
  }
  return values;
}
