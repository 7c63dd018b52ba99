import { join, resolve } from "node:path";
import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import { checkName, parseName } from "../../naming.ts";
import type { RestoreOptions, RestoreResult } from "../../operations/restore.ts";
import { durationInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import {
  archiveJson,
  createdInWords,
  objectInWords,
  table,
  totalsInWords,
  writerInWords,
} from "../present.ts";
import { progressOf } from "../progress.ts";
import { repeatable } from "../repeatable.ts";
import {
  addReadingOptions,
  type LegacyReading,
  openReading,
  type Reading,
  type ReadingFlags,
  warnOfIncomplete,
} from "./reading.ts";

interface Flags extends ReadingFlags {
  readonly to?: string;
  readonly include?: readonly string[];
  readonly overwrite?: boolean;
  readonly sameOwner?: boolean;
  readonly allowUnauthenticated?: boolean;
  readonly fallback?: boolean;
  readonly maxSize?: string;
}

export function addRestore(program: Command, start: Start): void {
  addReadingOptions(program.command("restore"))
    .description("Bring a backup back into a new folder, whole and checked, or not at all.")
    .option("--to <folder>", "the folder to make; by default ./NAME")
    .option(
      "--include <glob>",
      "only what matches: a name at any depth, or with a slash a path; may be repeated",
      repeatable,
    )
    .option("--overwrite", "replace files in a folder that is not empty; others in it stay")
    .option("--same-owner", "give files to their numeric owners; for root")
    .option("--allow-unauthenticated", "restore even when nothing proves who wrote the backup")
    .option(
      "--fallback",
      "where the latest is incomplete, damaged or unauthentic, restore the newest older one that verifies, with a warning",
    )
    .option("--max-size <size>", "give up when the files take more: 64M, 10G")
    .addHelpText(
      "after",
      `
Examples:
  restbackup restore
  restbackup restore --name website --to ./website-restored
  restbackup restore --name website --at 2026-11-23 --include 'docs/**' --to ./docs-then
  restbackup restore website-20261123T094012Z.tar.zst.age --key-file key.txt`,
    )
    .action((entry: string | undefined, flags: Flags) =>
      run(start("Nothing was restored: the target is as it was."), entry, flags),
    );
}

async function run(context: Context, given: string | undefined, flags: Flags): Promise<void> {
  const { output } = context;
  if (given !== undefined && flags.fallback === true) {
    throw new RestbackupError("usage", "An entry is one certain backup: --fallback has no other.");
  }
  const { parseSize } = await import("../../operations/units.ts");
  const maxBytes = flags.maxSize === undefined ? undefined : parseSize(flags.maxSize);
  // While the store is opened.
  const loading = import("../../operations/restore.ts");
  const reading = await openReading(context, given, flags);
  try {
    const { entry, to } = target(context, reading, flags);
    if (reading.legacy !== undefined) {
      if (flags.fallback === true) {
        throw new RestbackupError("usage", "Archives of older tools have no --fallback.");
      }
      const { restoreOlder } = await import("../legacy.ts");
      await restoreOlder(context, reading, { ...flags, to, maxBytes });
      return;
    }
    const restore = await restorer(context, reading, flags, loading);
    output.notice(`Restoring from ${reading.store.description}`);
    const begun = performance.now();
    const result = await restore({
      ...reading,
      entry,
      to,
      include: flags.include,
      overwrite: flags.overwrite,
      sameOwner: flags.sameOwner,
      allowUnauthenticated: flags.allowUnauthenticated,
      maxBytes,
      onProgress: progressOf(context),
    });
    for (const warning of result.warnings) output.warn(visible(warning));
    for (const object of result.archive.objects) output.detail(objectInWords(object));
    const seconds = (performance.now() - begun) / 1000;
    const { description: store } = reading.store;
    await output.summary(inWords(result, store, seconds), asJson(result, store, seconds));
  } finally {
    await reading.store.close();
  }
}

/** Restores what is meant or, with --fallback, the newest that can be. */
async function restorer(
  context: Context,
  reading: Reading,
  { fallback }: Flags,
  loading: Promise<typeof import("../../operations/restore.ts")>,
): Promise<(options: RestoreOptions) => Promise<RestoreResult>> {
  if (fallback !== true) {
    await warnOfIncomplete(context, reading);
    return (await loading).restore;
  }
  const { restoreWithFallback } = await import("../../operations/fallback.ts");
  return ({ entry: _, ...options }) =>
    restoreWithFallback({
      ...options,
      onPassedOver: ({ entry }, { message }) =>
        context.output.warn(`passed over ${visible(entry)}: ${visible(message)}`),
    });
}

/** What to restore, and where to. */
function target(
  { cwd }: Context,
  reading: Reading | LegacyReading,
  { to }: Flags,
): { entry: string | undefined; to: string } {
  if (to === "") throw new RestbackupError("usage", "--to is empty.");
  const found = reading.legacy ?? reading.found;
  const entry = found?.entry ?? reading.entry;
  if (to !== undefined) return { entry, to: resolve(cwd, to) };
  return { entry, to: folderOf(found?.name ?? parseName(reading.entry!)!.name, cwd) };
}

/** `./NAME`, and never a place outside of the current folder: the store chose the name. */
function folderOf(name: string, cwd: string): string {
  checkName(name);
  if (process.platform !== "win32" || !/[\\:*?"<>|]/.test(name)) return join(cwd, name);
  throw new RestbackupError("usage", "The backup's name cannot be that of a folder here.", {
    hint: "Name the folder to restore to with --to.",
  });
}

function inWords(result: RestoreResult, store: string, seconds: number): string[] {
  const { archive, index, totals, to, authenticity } = result;
  return [
    `Restored ${visible(archive.entry)}`,
    ...table([
      ["to", visible(to)],
      ["holds", `${totalsInWords(totals)}: every one verified`],
      ["stored", `${createdInWords(archive.createtime)} at ${store}`],
      ["written by", writerInWords(authenticity)],
      ["took", durationInWords(seconds)],
      ...(result.warnings.length === 0
        ? []
        : [["warnings", `${result.warnings.length}, above`] as const]),
    ]),
    ...(index.warnings.length === 0
      ? []
      : [
          "When it was made, these could not be taken as they were:",
          ...index.warnings.map(({ path, problem }) => `  ${visible(path)}: ${visible(problem)}`),
        ]),
  ];
}

function asJson(result: RestoreResult, store: string, seconds: number) {
  const { archive, index, authenticity, to, totals, warnings } = result;
  return {
    ...archiveJson(archive),
    store,
    to,
    totals,
    authenticity,
    warnings,
    source: index.source,
    backupWarnings: index.warnings,
    seconds,
  };
}
