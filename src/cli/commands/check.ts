import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { CheckResult, Finding } from "../../server/check.ts";
import { countInWords, durationInWords, grouped, sizeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { actAsOwner } from "../folder-owner.ts";
import { progressOf } from "../progress.ts";

interface Flags {
  readonly data: string;
}

/** So many are kept for the JSON document; all are counted. */
const MOST_FINDINGS = 10_000;

export function addCheck(program: Command, start: Start): void {
  program
    .command("check")
    .description("Read all that a server stores and compare it with what was recorded of it.")
    .requiredOption("--data <folder>", "the folder that the server serves; it may run meanwhile")
    .addHelpText(
      "after",
      `
Needs no key, and says nothing about what is in the backups: verify does that. Fails with exit code
5 when stored files are damaged or missing. Files without a record, and files that are none of the
server's, are only reported.

Examples:
  restbackup check --data /srv/restbackup
  restbackup check --data /srv/restbackup --json`,
    )
    .action((flags: Flags) => run(start("Nothing was changed."), flags));
}

async function run(context: Context, { data }: Flags): Promise<void> {
  const { output, signal } = context;
  const { checkStored } = await import("../../server/check.ts");
  const { ProgressMeter } = await import("../../operations/progress.ts");
  await actAsOwner(data);
  const onProgress = progressOf(context);
  const meter = new ProgressMeter(onProgress, { phase: "verifying" });
  const findings: Finding[] = [];
  const begun = performance.now();
  const result = await checkStored(data, {
    signal,
    onFinding: (finding) => {
      if (findings.length < MOST_FINDINGS) findings.push(finding);
      if (!output.style.json) output.log(inWords(finding));
    },
    ...(onProgress === undefined ? {} : { onProgress: (progress) => meter.set(progress) }),
  });
  meter.end();
  const seconds = (performance.now() - begun) / 1000;
  const { damaged, missing } = result.files;
  await output.summary(summaryOf(result, seconds), { ...result, findings, seconds });
  if (damaged + missing > 0) {
    throw new RestbackupError(
      "damaged",
      `${countInWords(damaged, "file")} damaged, ${countInWords(missing, "file")} missing.`,
      {
        hint: "Restore them from a copy of the data folder, or back up anew where they came from.",
      },
    );
  }
}

function inWords({ username, path, name, state, reason }: Finding): string {
  const what = name === undefined ? visible(path) : `/${visible(name)} of ${username}`;
  return `${state}: ${what}: ${visible(reason)}`;
}

function summaryOf({ accounts, files, bytes }: CheckResult, seconds: number): string[] {
  const others = (["damaged", "missing", "unrecorded", "stray"] as const)
    .filter((state) => files[state] > 0)
    .map((state) => `${grouped(files[state]!)} ${state}`);
  return [
    `Checked ${countInWords(accounts, "account")}: ${[`${countInWords(files.intact, "file")} intact`, ...others].join(", ")}; read ${sizeInWords(bytes)} in ${durationInWords(seconds)}`,
  ];
}
