import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { RestbackupError } from "../errors.ts";
import { type RehearseResult, rehearse } from "../operations/rehearse.ts";
import { withScratchFolder } from "../operations/scratch.ts";
import { parsePercent } from "../operations/units.ts";
import { countInWords, durationInWords, visible } from "../words.ts";
import type { Reading } from "./commands/reading.ts";
import type { Context, Environment } from "./context.ts";
import {
  archiveJson,
  createdInWords,
  objectInWords,
  table,
  totalsInWords,
  writerInWords,
} from "./present.ts";
import { progressOf } from "./progress.ts";

/** What `verify --rehearse` was told besides which backup. */
export interface RehearseFlags {
  readonly rehearse?: boolean;
  readonly compare?: string;
  readonly compareExclude?: readonly string[];
  readonly run?: string;
  readonly shrinkLimit?: string;
  readonly allowUnauthenticated?: boolean;
}

/** Throws `usage` for options that mean nothing without `--rehearse`, or without each other. */
export function checkRehearseFlags(flags: RehearseFlags): void {
  const { compare, compareExclude, run, shrinkLimit } = flags;
  if (compareExclude !== undefined && compare === undefined) {
    throw new RestbackupError("usage", "--compare-exclude is of no use without --compare.");
  }
  if (flags.rehearse === true) return;
  const given = { "--compare": compare, "--run": run, "--shrink-limit": shrinkLimit };
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    throw new RestbackupError("usage", `${option} goes with --rehearse: nothing is restored else.`);
  }
}

/** Restores into a scratch folder, looks whether all is as expected, and removes it. */
export async function rehearseReading(
  context: Context,
  reading: Reading,
  flags: RehearseFlags & { readonly maxAge: number | undefined },
): Promise<void> {
  const { output, cwd, env } = context;
  const { compare, compareExclude = [], run } = flags;
  const shrinkLimit = parsePercent(flags.shrinkLimit ?? "50%");
  const begun = performance.now();
  const rehearsal = (scratch: string) =>
    rehearse({
      ...reading,
      to: join(scratch, "restored"),
      maxAge: flags.maxAge,
      shrinkLimit,
      compareWith:
        compare === undefined
          ? undefined
          : { folder: resolve(cwd, compare), exclude: compareExclude },
      command:
        run === undefined
          ? undefined
          : {
              line: run,
              env: commandVariables(env),
              onLine: (text) => output.log(text),
            },
      allowUnauthenticated: flags.allowUnauthenticated,
      onStep: (doing) => output.notice(doing),
      onProgress: progressOf(context),
    });
  const result = await withScratchFolder(tmpdir(), rehearsal, (folder) =>
    output.warn(`the scratch folder ${folder} could not be removed`),
  );
  for (const warning of result.warnings) output.warn(visible(warning));
  for (const object of result.archive.objects) output.detail(objectInWords(object));
  const seconds = (performance.now() - begun) / 1000;
  const { description: store } = reading.store;
  await output.summary(
    inWords(result, run, store, seconds),
    asJson(result, run !== undefined, store, seconds),
  );
}

/** Without what opens the store and its backups: what was restored has no business there. */
function commandVariables(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^RESTBACKUP_/i.test(name)));
}

function inWords(
  result: RehearseResult,
  command: string | undefined,
  store: string,
  seconds: number,
): string[] {
  const { archive, totals, previous, compared, authenticity } = result;
  return [
    `Rehearsed ${visible(archive.entry)}: it can be restored`,
    ...table([
      ["holds", `${totalsInWords(totals)}: every one restored and verified`],
      ["stored", `${createdInWords(archive.createtime)} at ${store}`],
      ...(previous === undefined
        ? []
        : [
            [
              "before it",
              `${visible(previous.archive.entry)}: ${totalsInWords(previous.totals)}`,
            ] as const,
          ]),
      ...(compared === undefined
        ? []
        : [["compared", `${countInWords(compared, "path")}, all equal`] as const]),
      ...(command === undefined ? [] : [["command", "succeeded"] as const]),
      ["written by", writerInWords(authenticity)],
      ["took", durationInWords(seconds)],
    ]),
  ];
}

function asJson(result: RehearseResult, ran: boolean, store: string, seconds: number) {
  const { archive, index, totals, authenticity, previous, compared, warnings } = result;
  return {
    ...archiveJson(archive),
    store,
    totals,
    authenticity,
    warnings,
    backupWarnings: index.warnings,
    previous: previous === undefined ? undefined : archiveJson(previous.archive),
    compared,
    commandSucceeded: ran ? true : undefined,
    seconds,
  };
}
