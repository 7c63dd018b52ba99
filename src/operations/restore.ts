import { statfs } from "node:fs/promises";
import type { ContentsEntry, ContentsIndex, ContentsTotals } from "../archive/contents.ts";
import { extractArchive } from "../archive/extract.ts";
import type { ArchiveReader } from "../archive/read-archive.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { stoppable } from "./aborted.ts";
import type { ArchiveEntry } from "./entries.ts";
import { findEntry } from "./entries.ts";
import { type Authenticity, type OpenOptions, openEntry, requireAuthentic } from "./open-entry.ts";
import { prepareTarget } from "./placing.ts";
import { type OnProgress, ProgressMeter } from "./progress.ts";

export type { Authenticity } from "./open-entry.ts";

/** Which backup to read, and what to believe. */
export interface ReadOptions extends OpenOptions {
  readonly allowUnauthenticated?: boolean | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What to restore, and where to. */
export interface RestoreOptions extends ReadOptions {
  /** The folder to make. */
  readonly to: string;
  /** Globs as in `exclude` of a backup; a folder that matches comes with all it holds. */
  readonly include?: readonly string[] | undefined;
  /** Replace files in an existing folder; others there stay. */
  readonly overwrite?: boolean | undefined;
  /** Give files back to their numeric owners; needs root. */
  readonly sameOwner?: boolean | undefined;
  /** Bytes of content that may be restored in all. */
  readonly maxBytes?: number | undefined;
}

/** What came back, and who wrote it. */
export interface RestoreResult {
  readonly archive: ArchiveEntry;
  readonly index: ContentsIndex;
  readonly authenticity: Authenticity;
  /** Absolute path of the restored folder. */
  readonly to: string;
  /** What was restored. */
  readonly totals: ContentsTotals;
  /** What could not be put back exactly, in words. */
  readonly warnings: readonly string[];
}

/**
 * Brings an entry back into a folder, whole or not at all: everything is written and checked in a
 * new folder beside the target, then moved into place. Throws `target-exists` before anything is
 * read when the target holds something and `overwrite` is not given; whatever it throws, the
 * target is as it was.
 *
 * @throws {@link RestbackupError} `target-exists`, `not-found`, `wrong-key`, `damaged`,
 * `unauthentic`, `io`, `usage`, `aborted`, `store-unreachable` and `store-refused`.
 *
 * @example
 * ```ts
 * import { openStore, parseKey, restore } from "restbackup";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * const key = await parseKey(process.env.RESTBACKUP_KEY!);
 * const { archive, to, totals } = await restore({ store, key, name: "website", to: "restored" });
 * console.log(`${totals.files} files of ${archive.entry} are in ${to}`);
 * await store.close();
 * ```
 */
export function restore(options: RestoreOptions): Promise<RestoreResult> {
  return stoppable(options.signal, () => restoreEntry(options));
}

async function restoreEntry(options: RestoreOptions): Promise<RestoreResult> {
  const { include, signal } = options;
  requireRoot(options.sameOwner);
  const meter = new ProgressMeter(options.onProgress, { phase: "reading" });
  const target = await prepareTarget(options.to, { overwrite: options.overwrite ?? false });
  try {
    const opened = await openEntry(options, (storedBytes) => meter.add({ storedBytes }));
    requireAuthentic(opened, options.allowUnauthenticated);
    const { archive, reader, authenticity } = opened;
    if (include === undefined) {
      requireAtMost(options.maxBytes, reader.index.totals);
      await checkRoom(reader, target.staging);
    }
    meter.enter("restoring");
    if (include === undefined) meter.set(goal(reader.index.totals));
    const { totals, warnings } = await extractArchive(reader, {
      root: target.staging,
      include,
      sameOwner: options.sameOwner,
      signal,
      onProgress: (files, bytes) => meter.set({ files, bytes }),
    });
    if (totals.files + totals.directories + totals.links === 0 && include !== undefined) {
      throw new RestbackupError("not-found", `Nothing in ${printable(archive.entry)} matches.`, {
        hint: `Looked for: ${include.map(printable).join(", ")}. See what is inside with: restbackup show.`,
      });
    }
    requireAtMost(options.maxBytes, totals);
    signal?.throwIfAborted();
    meter.enter("placing");
    await target.place(reader.index.segments[0]?.first === ".");
    meter.end();
    return { archive, index: reader.index, authenticity, to: target.path, totals, warnings };
  } finally {
    await target.discard();
  }
}

function requireAtMost(maxBytes: number | undefined, { bytes }: ContentsTotals): void {
  if (maxBytes === undefined || bytes <= maxBytes) return;
  throw new RestbackupError(
    "io",
    `The restored files take ${bytes} bytes, and ${maxBytes} were allowed.`,
    { hint: "Allow more with --max-size, or leave it out." },
  );
}

/** Throws `usage` where files are to be given to their owners, and cannot be. */
export function requireRoot(sameOwner: boolean | undefined): void {
  if (sameOwner !== true || process.geteuid?.() === 0) return;
  throw new RestbackupError("usage", "Only root can give files to their owners.", {
    hint: "Leave out --same-owner, or run as root.",
  });
}

/** What to check, and how old it may be. */
export interface VerifyOptions extends ReadOptions {
  /**
   * Seconds; throws `stale` when the backup is older: by the store's clock, before anything is
   * read, and by its writer's, which the store cannot change.
   */
  readonly maxAge?: number | undefined;
  /** The present, for `maxAge`; the clock's when absent. */
  readonly now?: Date | undefined;
}

/** What was read and checked. */
export interface VerifyResult {
  readonly archive: ArchiveEntry;
  readonly index: ContentsIndex;
  readonly authenticity: Authenticity;
}

/**
 * Reads the whole archive and checks everything a restore would, writing nothing.
 *
 * @throws {@link RestbackupError} `stale` with `maxAge`, and what {@link restore} throws but for what
 * concerns the target.
 *
 * @example
 * ```ts
 * import { openStore, parseKey, RestbackupError, verify } from "restbackup";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * const key = await parseKey(process.env.RESTBACKUP_KEY!);
 * try {
 *   await verify({ store, key, name: "website", maxAge: 26 * 3600 });
 * } catch (error) {
 *   if (!(error instanceof RestbackupError)) throw error;
 *   console.error(error.code, error.message, error.hint ?? "");
 *   process.exitCode = 1;
 * }
 * await store.close();
 * ```
 */
export function verify(options: VerifyOptions): Promise<VerifyResult> {
  return stoppable(options.signal, () => verifyEntry(options));
}

async function verifyEntry(options: VerifyOptions): Promise<VerifyResult> {
  const archive = await findEntry(options.store, options, { signal: options.signal });
  checkAge(archive, archive.createtime, options);
  const meter = new ProgressMeter(options.onProgress, { phase: "reading" });
  const opened = await openEntry({ ...options, entry: archive.entry }, (storedBytes) =>
    meter.add({ storedBytes }),
  );
  requireAuthentic(opened, options.allowUnauthenticated);
  const { reader, authenticity } = opened;
  // The store may lie about when it took an archive in; when it was written is authenticated.
  checkAge(archive, Date.parse(reader.index.created) / 1000, options);
  meter.enter("verifying");
  meter.set(goal(reader.index.totals));
  await extractArchive(reader, {
    root: undefined,
    signal: options.signal,
    onProgress: (files, bytes) => meter.set({ files, bytes }),
  });
  await checkHardLinks(reader);
  meter.end();
  return { archive, index: reader.index, authenticity };
}

/** Throws `stale` for a backup made longer ago than allowed. @param made Unix seconds. */
export function checkAge(
  archive: ArchiveEntry,
  made: number,
  { entry, at, maxAge, now }: Pick<VerifyOptions, "entry" | "at" | "maxAge" | "now">,
): void {
  if (maxAge === undefined) return;
  const age = (now ?? new Date()).getTime() / 1000 - made;
  if (age <= maxAge) return;
  const newest = entry === undefined && at === undefined;
  const which = newest ? "The newest backup" : "The backup that was asked for";
  throw new RestbackupError(
    "stale",
    `${which}, ${printable(archive.entry)}, is ${hours(age)} old; at most ${hours(maxAge)} were allowed.`,
    newest
      ? {
          hint: "Look why no newer backup was made: the job that makes it may be failing, or disabled.",
        }
      : { hint: "There may be a newer one: it was not asked for." },
  );
}

function hours(seconds: number): string {
  return seconds < 7200
    ? `${Math.round(seconds / 60)} minutes`
    : `${(seconds / 3600).toFixed(1)} hours`;
}

/** What is inside a backup. */
export interface ShowResult {
  readonly archive: ArchiveEntry;
  readonly index: ContentsIndex;
  readonly authenticity: Authenticity;
  /** All entries, in archive order. */
  readonly entries: AsyncIterable<ContentsEntry>;
}

/** What is inside, from the contents list alone. Unauthenticated archives are shown, and said to be. */
export async function show(options: OpenOptions): Promise<ShowResult> {
  const { archive, reader, authenticity } = await stoppable(options.signal, () =>
    openEntry(options),
  );
  return { archive, index: reader.index, authenticity, entries: reader.entries() };
}

function goal(totals: ContentsTotals): { totalFiles: number; totalBytes: number } {
  return {
    totalFiles: totals.files + totals.directories + totals.links,
    totalBytes: totals.bytes,
  };
}

/** Refuses early what cannot fit. Holes take no room, so they are only counted out when it matters. */
async function checkRoom(reader: ArchiveReader, folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  let needed = reader.index.totals.bytes;
  if (needed <= free) return;
  for await (const entry of reader.entries()) if (entry.sparse === true) needed -= entry.size ?? 0;
  if (needed <= free) return;
  throw new RestbackupError(
    "io",
    `The restored files need ${needed} bytes, and only ${free} are free where they would go.`,
    { hint: "Free some space, or restore elsewhere with --to, or a part with --include." },
  );
}

/** What a restore would notice on linking: that a link's content is there. */
async function checkHardLinks(reader: ArchiveReader): Promise<void> {
  const missing = new Set<string>();
  for await (const { type, target } of reader.entries())
    if (type === "hardlink") missing.add(target!);
  if (missing.size === 0) return;
  for await (const { type, path } of reader.entries()) if (type === "file") missing.delete(path);
  const [first] = missing;
  if (first === undefined) return;
  throw new RestbackupError(
    "damaged",
    `The archive links to ${printable(first)}, which it does not hold.`,
  );
}
