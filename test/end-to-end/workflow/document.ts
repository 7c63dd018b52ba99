import picomatch from "picomatch";
import { parse } from "yaml";

/** A workflow document, as far as it can be run here. */
export interface Workflow {
  readonly name: string;
  readonly on: Readonly<Record<string, OnEvent>>;
  readonly permissions: Permissions;
  readonly concurrency: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

export type Permissions = Readonly<Record<string, string>>;

interface OnEvent {
  readonly inputs?: Readonly<Record<string, Input>>;
  readonly branches?: readonly string[];
  readonly tags?: readonly string[];
}

interface Input {
  readonly type?: string;
  readonly required?: boolean;
  readonly default?: unknown;
  readonly options?: readonly string[];
}

export interface Job {
  readonly needs: readonly string[];
  readonly if: unknown;
  readonly permissions: Permissions | undefined;
  readonly matrix: Readonly<Record<string, unknown>> | undefined;
  readonly outputs: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly id?: string;
  readonly if?: unknown;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, unknown>>;
  readonly run?: string;
}

/** What starts a run. */
export interface Trigger {
  readonly event: "push" | "schedule" | "workflow_dispatch";
  /** What was pushed to, or is chosen for a run by hand; by default the default branch. */
  readonly ref?: string;
  /** What the branch was at before a push. */
  readonly before?: string;
  readonly inputs?: Readonly<Record<string, string | boolean>>;
}

/** Reads a document. Whatever says something that is not honoured here is an error. */
export function readWorkflow(text: string): Workflow {
  const top = only(parse(text), ["name", "on", "permissions", "concurrency", "jobs"], "workflow");
  if (top.permissions === undefined) throw new Error("the workflow says no permissions");
  return {
    name: String(top.name),
    on: readEvents(top.on),
    permissions: record(top.permissions) as Permissions,
    concurrency: top.concurrency,
    jobs: mapValues(record(top.jobs), readJob),
  };
}

function readEvents(on: unknown): Record<string, OnEvent> {
  if (typeof on === "string") return { [on]: {} };
  const { schedule, ...events } = only(on, ["push", "schedule", "workflow_dispatch"], "on");
  const read = mapValues(events, (value, name) => {
    const keys = name === "push" ? ["branches", "tags"] : ["inputs"];
    return only(value ?? {}, keys, name) as OnEvent;
  });
  return schedule === undefined ? read : { ...read, schedule: {} };
}

// What a job waits for, runs on, may take and whose approval it needs changes nothing of its steps.
const JOB_KEYS = ["environment", "if", "needs", "outputs", "permissions", "runs-on", "steps"];
const STEP_KEYS = ["env", "id", "if", "name", "run", "uses", "with"];

function readJob(value: unknown, name: string): Job {
  const job = only(value, [...JOB_KEYS, "strategy", "timeout-minutes"], name);
  if (job["runs-on"] !== "ubuntu-latest") throw new Error(`${name}: there is no such runner here`);
  const matrix = readMatrix(job.strategy, name);
  if (matrix !== undefined && job.outputs !== undefined) {
    throw new Error(`${name}: of a matrix only the outputs of one job would remain`);
  }
  return {
    needs: [job.needs ?? []].flat() as string[],
    if: job.if,
    permissions: job.permissions as Permissions | undefined,
    matrix,
    outputs: record(job.outputs ?? {}) as Record<string, string>,
    steps: (job.steps as unknown[]).map((step) => readStep(step, name)),
  };
}

function readStep(value: unknown, job: string): Step {
  const { run, ...step } = only(value, STEP_KEYS, `a step of ${job}`);
  // `run: true` is a script, too.
  return run === undefined ? step : { ...step, run: String(run) };
}

function readMatrix(strategy: unknown, name: string): Record<string, unknown> | undefined {
  if (strategy === undefined) return undefined;
  const { matrix, ...rest } = only(strategy, ["fail-fast", "matrix"], `${name}.strategy`);
  if (rest["fail-fast"] !== false) throw new Error(`${name}: jobs cannot be cancelled here`);
  const axes = record(matrix);
  if ("include" in axes || "exclude" in axes) throw new Error(`${name}: include and exclude`);
  return axes;
}

/** Throws unless this starts that workflow. */
export function checkTrigger({ on }: Workflow, { event, ref }: Trigger & { ref: string }): void {
  const found = on[event];
  if (found === undefined) throw new Error(`${event} does not start the workflow`);
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(ref)!;
  const { branches, tags } = found;
  const wanted = kind === "heads" ? branches : tags;
  if (branches === undefined && tags === undefined) return;
  if (!(wanted ?? []).some((pattern) => picomatch.isMatch(name!, pattern))) {
    throw new Error(`a push to ${ref} does not start the workflow`);
  }
}

/** The `inputs` of a run by hand, as GitHub's form gives them. */
export function inputsOf({ on }: Workflow, given: Trigger["inputs"] = {}): Record<string, unknown> {
  const inputs = on.workflow_dispatch?.inputs ?? {};
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(inputs, name)) throw new Error(`there is no input ${name}`);
  }
  return mapValues(inputs, (raw, name) => {
    const keys = ["default", "description", "options", "required", "type"];
    const { type = "string", options, ...input } = only(raw, keys, name) as Input;
    if (!["boolean", "choice", "string"].includes(type)) throw new Error(`${name} is a ${type}`);
    const first = type === "boolean" ? false : (options?.[0] ?? "");
    const value = given[name] ?? input.default ?? first;
    if (input.required === true && value === "") throw new Error(`the input ${name} is required`);
    if (type === "choice" && !options!.includes(String(value))) throw new Error(`not a ${name}`);
    return value;
  });
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`not a mapping: ${JSON.stringify(value)}`);
}

function only(value: unknown, keys: readonly string[], where: string): Record<string, unknown> {
  const read = record(value);
  const strange = Object.keys(read).filter((key) => !keys.includes(key));
  if (strange.length > 0) throw new Error(`${where}: nothing here honours ${strange.join(", ")}`);
  return read;
}

function mapValues<T>(
  object: Readonly<Record<string, unknown>>,
  map: (value: unknown, key: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));
}
