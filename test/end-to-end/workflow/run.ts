import fs from "node:fs";
import path from "node:path";
import {
  checkTrigger,
  inputsOf,
  type Job,
  readWorkflow,
  type Trigger,
  type Workflow,
} from "./document.ts";
import { type Contexts, expand, holds, whatComesOf } from "./expressions.ts";
import { type Runner, runStep, type StepRun, skipped } from "./steps.ts";

/** What a workflow finds around it. */
export interface Surroundings {
  readonly secrets: Readonly<Record<string, string>>;
  /** Of the `github` context; what depends on the run is added to it. */
  readonly github: {
    readonly repository: string;
    readonly server_url: string;
    readonly api_url: string;
    readonly graphql_url: string;
    readonly token: string;
  };
  /** What the machine of every runner has in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The commit that a ref of the repository names. */
  readonly commitOf: (ref: string) => string;
  /** Where runners have their folders. */
  readonly scratch: string;
}

export interface JobRun {
  readonly id: string;
  readonly matrix: Readonly<Record<string, unknown>>;
  readonly conclusion: "success" | "failure" | "skipped";
  readonly outputs: Readonly<Record<string, string>>;
  readonly steps: readonly StepRun[];
  readonly workspace: string;
  /** The folder of the runner's user. */
  readonly home: string;
}

export interface WorkflowRun {
  readonly conclusion: "success" | "failure";
  readonly jobs: readonly JobRun[];
  /** The name of the group in which only one run may be; undefined where any number may. */
  readonly group: string | undefined;
}

let runs = 0;

/**
 * Runs a workflow document as GitHub would: jobs when those they need are done, those of a matrix at
 * the same time, each on a runner of its own; every step for real. Throws for whatever it does not
 * know how to honour, so that nothing in a document that ran was passed over.
 */
export async function runWorkflow(
  text: string,
  around: Surroundings,
  trigger: Trigger,
): Promise<WorkflowRun> {
  const workflow = readWorkflow(text);
  const ref = trigger.ref ?? "refs/heads/main";
  checkTrigger(workflow, { ...trigger, ref });
  const contexts = contextsOf(workflow, around, { ...trigger, ref });
  const done = new Map<string, Promise<JobRun[]>>();
  for (const [id, job] of Object.entries(workflow.jobs)) {
    // GitHub takes jobs in any order; here those needed stand first, as one reads them.
    const needed = job.needs.map((name) => {
      const other = done.get(name);
      if (other === undefined) throw new Error(`${id} needs ${name}, which does not stand before`);
      return other;
    });
    done.set(id, runJobs(id, job, { workflow, around, contexts, needed }));
  }
  const jobs = (await Promise.all(done.values())).flat();
  return { conclusion: statusOf(jobs), jobs, group: groupOf(workflow, contexts) };
}

function contextsOf(
  workflow: Workflow,
  around: Surroundings,
  { event, ref, before, inputs }: Trigger & { ref: string },
): Contexts {
  const sha = around.commitOf(ref);
  return {
    secrets: around.secrets,
    inputs: inputsOf(workflow, inputs),
    github: {
      ...around.github,
      ...{ ref, sha, event_name: event, workflow: workflow.name },
      ref_name: ref.replace(/^refs\/\w+\//, ""),
      run_id: String(1_658_821_493 + ++runs),
      event: event === "push" ? { before: before ?? "0".repeat(40), after: sha } : {},
    },
  };
}

function groupOf({ concurrency }: Workflow, contexts: Contexts): string | undefined {
  if (concurrency === undefined) return undefined;
  if (typeof concurrency === "string") return expand(concurrency, contexts);
  throw new Error("concurrency is more than the name of a group");
}

interface Place {
  readonly workflow: Workflow;
  readonly around: Surroundings;
  readonly contexts: Contexts;
  readonly needed: readonly Promise<JobRun[]>[];
}

async function runJobs(id: string, job: Job, place: Place): Promise<JobRun[]> {
  const before = await Promise.all(place.needed);
  const needs = Object.fromEntries(
    before.map((runs, index) => [
      job.needs[index]!,
      { result: statusOf(runs), outputs: runs.length === 1 ? runs[0]!.outputs : {} },
    ]),
  );
  const contexts = { ...place.contexts, needs };
  const someSkipped = before.flat().some((run) => run.conclusion === "skipped");
  const status = statusOf(before.flat());
  if (!holds(job.if, contexts, status === "success" && someSkipped ? "skipped" : status)) {
    return [skip(id, job)];
  }
  return Promise.all(
    combinations(job.matrix, contexts).map((matrix) =>
      runJob(id, job, { ...place, contexts: { ...contexts, matrix } }),
    ),
  );
}

function statusOf(jobs: readonly { readonly conclusion: string }[]): "success" | "failure" {
  return jobs.some(({ conclusion }) => conclusion === "failure") ? "failure" : "success";
}

function skip(id: string, job: Job): JobRun {
  const nowhere = { workspace: "", home: "" };
  const steps = job.steps.map(skipped);
  return { id, matrix: {}, conclusion: "skipped", outputs: {}, steps, ...nowhere };
}

function combinations(matrix: Job["matrix"], contexts: Contexts): Record<string, unknown>[] {
  return Object.entries(matrix ?? {}).reduce<Record<string, unknown>[]>(
    (found, [axis, value]) => {
      const values = whatComesOf(value, contexts) as unknown[];
      return found.flatMap((one) => values.map((point) => ({ ...one, [axis]: point })));
    },
    [{}],
  );
}

async function runJob(id: string, job: Job, place: Place): Promise<JobRun> {
  const { workflow, around, contexts } = place;
  const machine = fs.mkdtempSync(path.join(around.scratch, `${id}-`));
  const folder = (name: string) => fs.mkdirSync(path.join(machine, name), { recursive: true })!;
  const workspace = folder("work");
  const home = folder("home");
  const github = { ...(contexts.github as object), workspace, job: id };
  const runner: Runner = {
    workspace,
    temp: folder("temp"),
    env: { ...around.env, ...githubVariables(github), HOME: home },
    permissions: job.permissions ?? workflow.permissions,
    secrets: [...Object.values(around.secrets), around.github.token],
  };
  const steps: StepRun[] = [];
  for (const step of job.steps) {
    const now = { ...contexts, github, steps: stepsContext(steps) };
    steps.push(
      holds(step.if, now, statusOf(steps)) ? await runStep(step, now, runner) : skipped(step),
    );
  }
  const ended = { ...contexts, github, steps: stepsContext(steps) };
  const outputs = Object.fromEntries(
    Object.entries(job.outputs).map(([name, value]) => [name, expand(value, ended)]),
  );
  const matrix = contexts.matrix as Record<string, unknown>;
  return { id, matrix, conclusion: statusOf(steps), outputs, steps, workspace, home };
}

function stepsContext(steps: readonly StepRun[]): Contexts {
  return Object.fromEntries(
    steps.flatMap(({ id, outputs, conclusion }) =>
      id === undefined ? [] : [[id, { outputs, conclusion, outcome: conclusion }]],
    ),
  );
}

/** Of the context what runners put into the environment, too; the token is not among it. */
function githubVariables(github: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(github).flatMap(([name, value]) =>
      typeof value === "string" && name !== "token"
        ? [[`GITHUB_${name.toUpperCase()}`, value]]
        : [],
    ),
  );
}
