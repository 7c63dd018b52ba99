import type { ContentsTotals } from "../archive/contents.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { countInWords, sizeInWords, timeInWords } from "../words.ts";
import { stoppable } from "./aborted.ts";
import { runCommand, type ShellCommand } from "./command.ts";
import { compareFolders } from "./compare.ts";
import type { ArchiveEntry } from "./entries.ts";
import { newestFirst, requireComplete } from "./newest.ts";
import { openEntry, requireAuthentic } from "./open-entry.ts";
import { checkAge, type ReadOptions, type RestoreResult, restore, verify } from "./restore.ts";

/** Which backup to rehearse, and what is expected of it. */
export interface RehearseOptions extends ReadOptions {
  /** The scratch folder: new or empty, and the caller's to remove. */
  readonly to: string;
  /** Seconds; throws `stale` when the backup is older, as `verify` does. */
  readonly maxAge?: number | undefined;
  /** The present, for `maxAge`; the clock's when absent. */
  readonly now?: Date | undefined;
  /** The greatest part, from 0 to 1, of bytes or files that there may be less than in the one before. */
  readonly shrinkLimit?: number | undefined;
  /** A folder to compare what was restored with, and globs of what is left aside in that. */
  readonly compareWith?:
    | { readonly folder: string; readonly exclude: readonly string[] }
    | undefined;
  /** What to run in the restored folder. */
  readonly command?: ShellCommand | undefined;
  /** Told what is done next, in words. */
  readonly onStep?: ((doing: string) => void) | undefined;
  /** Told which backup is good: the one rehearsed or, where that is unusable, the newest older one. */
  readonly onGood?: ((archive: ArchiveEntry) => void) | undefined;
}

/** What came back, and what it was compared with. */
export interface RehearseResult extends RestoreResult {
  /** The backup before it that could be read, for its size. */
  readonly previous:
    | { readonly archive: ArchiveEntry; readonly totals: ContentsTotals }
    | undefined;
  /** How many entries were compared; undefined when nothing was to be compared with. */
  readonly compared: number | undefined;
}

/**
 * Restores a backup for real and looks whether it is one that would help: complete, authentic,
 * recent, undamaged, not much smaller than the one before, equal to a folder, and such that a command
 * in it succeeds. Without `entry`, the newest counts, even when it is not complete.
 *
 * Throws `damaged`, `unauthentic`, `wrong-key` and `stale`, and `rehearsal-failed` for what can be
 * restored and is not as expected. Where the backup is unusable, the hint names the newest older one
 * that verifies.
 */
export function rehearse(options: RehearseOptions): Promise<RehearseResult> {
  return stoppable(options.signal, () => rehearseEntry(options));
}

async function rehearseEntry(options: RehearseOptions): Promise<RehearseResult> {
  const { store, signal, onStep } = options;
  const [meant, ...before] = await newestFirst(store, options, { signal });
  const older = before.filter(({ complete }) => complete);
  const restored = await restoreMeant(options, meant, older).catch(async (error: unknown) => {
    throw isUnusable(error) ? await naming(options, older, error) : error;
  });
  options.onGood?.(meant);
  const { compareWith, command } = options;
  let compared: number | undefined;
  if (compareWith !== undefined) {
    onStep?.(`Comparing with ${compareWith.folder}`);
    compared = await compareFolders(restored.to, compareWith.folder, {
      exclude: compareWith.exclude,
      signal,
    });
  }
  if (command !== undefined) {
    onStep?.("Running the command in the restored folder");
    await runCommand(restored.to, command, signal);
  }
  return { ...restored, compared };
}

async function restoreMeant(
  options: RehearseOptions,
  meant: ArchiveEntry,
  older: readonly ArchiveEntry[],
): Promise<Omit<RehearseResult, "compared">> {
  const newest = options.entry === undefined && options.at === undefined;
  requireComplete(meant, newest ? "The newest backup" : "The backup that was asked for");
  checkAge(meant, meant.createtime, options);
  const { entry } = meant;
  const opened = await openEntry({ ...options, entry });
  requireAuthentic(opened, options.allowUnauthenticated);
  const { created, totals } = opened.reader.index;
  // The store may lie about when it took an archive in; when it was written is authenticated.
  checkAge(meant, Date.parse(created) / 1000, options);
  const previous = await lastReadable(options, older);
  if (previous !== undefined) checkShrinking(meant, totals, previous, options.shrinkLimit);
  options.onStep?.(`Restoring ${printable(entry)}`);
  return { ...(await restore({ ...options, entry })), previous };
}

/** Bad in itself, so that an older one is worth more. */
function isUnusable(error: unknown): error is RestbackupError {
  const codes = ["damaged", "unauthentic", "wrong-key", "rehearsal-failed"];
  return error instanceof RestbackupError && codes.includes(error.code);
}

async function lastReadable(
  options: RehearseOptions,
  older: readonly ArchiveEntry[],
): Promise<RehearseResult["previous"]> {
  if (options.shrinkLimit === undefined) return undefined;
  for (const archive of older) {
    try {
      const opened = await openEntry({ ...options, entry: archive.entry });
      requireAuthentic(opened, options.allowUnauthenticated);
      return { archive, totals: opened.reader.index.totals };
    } catch (error) {
      if (!isUnusable(error)) throw error;
    }
  }
  return undefined;
}

function checkShrinking(
  { entry }: ArchiveEntry,
  now: ContentsTotals,
  previous: NonNullable<RehearseResult["previous"]>,
  limit = 1,
): void {
  const before = previous.totals;
  const shrunk = (less: number, more: number) => more > 0 && 1 - less / more > limit;
  if (!shrunk(now.bytes, before.bytes) && !shrunk(now.files, before.files)) return;
  const holds = ({ files, bytes }: ContentsTotals) =>
    `${countInWords(files, "file")} of ${sizeInWords(bytes)} in all`;
  throw new RestbackupError(
    "rehearsal-failed",
    `${printable(entry)} is much smaller than the one before: it holds ${holds(now)}, ${printable(previous.archive.entry)} held ${holds(before)}.`,
    {
      hint: `At most ${Math.round(limit * 100)} % less was allowed. If so much was deleted on purpose, raise the limit once.`,
    },
  );
}

/** The same failure, with the newest older backup that can be restored in its hint. */
async function naming(
  options: RehearseOptions,
  older: readonly ArchiveEntry[],
  failure: RestbackupError,
): Promise<RestbackupError> {
  const good = await newestGood(options, older);
  if (good !== undefined) options.onGood?.(good);
  const found =
    good !== undefined
      ? `The newest that is good is ${printable(good.entry)}, stored ${timeInWords(good.createtime)}: every file in it was checked.`
      : older.length === 0
        ? "There is no older one that is complete."
        : `Of ${countInWords(older.length, "older backup")} none is good either.`;
  const hint = failure.hint === undefined ? found : `${failure.hint}\n${found}`;
  return new RestbackupError(failure.code, failure.message, { hint, cause: failure });
}

async function newestGood(
  { maxAge: _, to: __, ...options }: RehearseOptions,
  older: readonly ArchiveEntry[],
): Promise<ArchiveEntry | undefined> {
  for (const { entry } of older) {
    options.onStep?.(`Looking whether ${printable(entry)} is good`);
    try {
      return (await verify({ ...options, entry })).archive;
    } catch (error) {
      if (!isUnusable(error)) throw error;
    }
  }
  return undefined;
}
