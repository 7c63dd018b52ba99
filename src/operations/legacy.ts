import { readdirSync } from "node:fs";
import type { ContentsTotals } from "../archive/contents.ts";
import { applyArchive } from "../archive/gnu-tar/apply.ts";
import { keepOnly } from "../archive/gnu-tar/keep-only.ts";
import { readTar, type TarMember } from "../archive/gnu-tar/reader.ts";
import { Room } from "../archive/gnu-tar/room.ts";
import { totalsOf } from "../archive/gnu-tar/totals.ts";
import { Tree } from "../archive/gnu-tar/tree.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import type { Store } from "../stores/store.ts";
import { stoppable } from "./aborted.ts";
import { type ArchiveEntry, type EntrySelector, findEntry } from "./entries.ts";
import { type LegacySource, openLegacy } from "./legacy-source.ts";
import { prepareTarget } from "./placing.ts";
import { type OnProgress, ProgressMeter } from "./progress.ts";
import { type Authenticity, checkAge, requireRoot } from "./restore.ts";

/**
 * Reading what older tools made (docs/legacy-archives.md): chains of GNU tar's incremental archives
 * and dated ones, gzip, some in chlorocrypt. Nothing but the passphrase of chlorocrypt proves who
 * wrote them.
 */

export interface LegacySelector extends EntrySelector {
  readonly store: Store;
  /** What archives in chlorocrypt were encrypted with. */
  readonly passphrase?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What to read, and what to believe. */
export interface LegacyReadOptions extends LegacySelector {
  /** Take archives of which nothing proves who wrote them: all that are not encrypted. */
  readonly allowUnauthenticated?: boolean | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What to restore of older tools, and where to. */
export interface LegacyRestoreOptions extends LegacyReadOptions {
  /** The folder to make. */
  readonly to: string;
  /** Globs as for `restore`. */
  readonly include?: readonly string[] | undefined;
  readonly overwrite?: boolean | undefined;
  readonly sameOwner?: boolean | undefined;
  /** Bytes of content that may be unpacked in all; nothing tells beforehand how many it will be. */
  readonly maxBytes?: number | undefined;
}

/** What was read of a chain, and what that proves. */
export interface LegacyResult {
  /** The archive that was meant; `legacy` tells of its chain. */
  readonly archive: ArchiveEntry;
  /** The names of all archives that were read, in order. */
  readonly applied: readonly string[];
  readonly authenticity: Authenticity;
  /** What could not be put back exactly, or looks wrong, in words. */
  readonly warnings: readonly string[];
}

/** What came back. */
export interface LegacyRestoreResult extends LegacyResult {
  /** Absolute path of the restored folder. */
  readonly to: string;
  /** What was restored. */
  readonly totals: ContentsTotals;
}

/**
 * Brings an archive of older tools back into a folder, with all of the chain below it applied and
 * deletions made again, whole or not at all, as `restore` does. The target's checks are the same.
 * Throws `unauthentic` for what is not encrypted, unless allowed.
 *
 * @example
 * ```ts
 * import { openStore, restoreLegacy } from "restbackup";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * const { applied } = await restoreLegacy({
 *   store,
 *   entry: "photos-20100521T110003Z-inc1.tar.gz",
 *   to: "photos-as-they-were",
 *   allowUnauthenticated: true,
 * });
 * console.log(applied.join(", "));
 * await store.close();
 * ```
 */
export function restoreLegacy(options: LegacyRestoreOptions): Promise<LegacyRestoreResult> {
  return stoppable(options.signal, () => restoreChain(options));
}

async function restoreChain(options: LegacyRestoreOptions): Promise<LegacyRestoreResult> {
  const { include, signal } = options;
  requireRoot(options.sameOwner);
  const meter = new ProgressMeter(options.onProgress, { phase: "reading" });
  const target = await prepareTarget(options.to, { overwrite: options.overwrite ?? false });
  try {
    const archive = await findLegacyEntry(options);
    const warnings = new Warnings();
    const tree = new Tree({
      root: target.staging,
      sameOwner: options.sameOwner ?? false,
      room: new Room(target.staging, options.maxBytes),
      warn: (warning) => warnings.add(warning),
    });
    warnings.addAll(chainWarnings(archive));
    meter.enter("restoring");
    const { applied, authenticity } = await readChain(archive, options, meter, tree);
    if (include !== undefined) {
      keepOnly(target.staging, include);
      if (readdirSync(target.staging).length === 0) {
        throw new RestbackupError("not-found", `Nothing in ${printable(archive.entry)} matches.`, {
          hint: `Looked for: ${include.map(printable).join(", ")}.`,
        });
      }
    }
    const totals = totalsOf(target.staging);
    signal?.throwIfAborted();
    meter.enter("placing");
    await target.place(tree.rootRestored && include === undefined);
    meter.end();
    return {
      archive,
      applied,
      authenticity,
      to: target.path,
      totals,
      warnings: warnings.list(),
    };
  } finally {
    await target.discard();
  }
}

/** What to read, and how old it may be. */
export interface LegacyVerifyOptions extends LegacyReadOptions {
  /** Seconds; throws `stale` when the archive is older by the store's clock. */
  readonly maxAge?: number | undefined;
  /** The present, for `maxAge`; the clock's when absent. */
  readonly now?: Date | undefined;
}

/** What was read and checked. */
export interface LegacyVerifyResult extends LegacyResult {
  /** Sums over all archives of the chain. */
  readonly totals: ContentsTotals;
}

/**
 * Reads an archive of older tools, and all of the chain below it, and checks what can be checked,
 * writing nothing: chlorocrypt's MACs, gzip's CRC and length, tar's header checksums, end marks and
 * lists. No digest of any file is stored in them.
 */
export function verifyLegacy(options: LegacyVerifyOptions): Promise<LegacyVerifyResult> {
  return stoppable(options.signal, async () => {
    const archive = await findLegacyEntry(options);
    checkAge(archive, archive.createtime, options);
    const meter = new ProgressMeter(options.onProgress, { phase: "verifying" });
    const read = await readChain(archive, options, meter, undefined);
    meter.end();
    return { archive, ...read, warnings: chainWarnings(archive) };
  });
}

/** What is in one archive. */
export interface LegacyShowResult {
  readonly archive: ArchiveEntry;
  readonly authenticity: Authenticity;
  /** The members of this one archive, as they come: for an increment, what changed. */
  readonly entries: AsyncIterable<TarMember>;
}

/** What is in one archive of older tools, of a chain that one only. It is fetched as it is read. */
export async function showLegacy(options: LegacySelector): Promise<LegacyShowResult> {
  return stoppable(options.signal, async () => {
    const archive = await findLegacyEntry(options);
    const source = await openLegacy(options.store, archive.objects[0]!, {
      signal: options.signal,
      passphrase: options.passphrase,
    });
    return { archive, authenticity: provenBy(source), entries: readTar(source.tar) };
  });
}

async function findLegacyEntry(options: LegacySelector): Promise<ArchiveEntry> {
  const archive = await findEntry(options.store, options, { signal: options.signal, legacy: true });
  if (archive.legacy !== undefined) return archive;
  throw new RestbackupError("usage", `${printable(archive.entry)} is no archive of older tools.`);
}

async function readChain(
  archive: ArchiveEntry,
  options: LegacyReadOptions,
  meter: ProgressMeter,
  tree: Tree | undefined,
): Promise<{ applied: string[]; authenticity: Authenticity; totals: ContentsTotals }> {
  const { level, chain } = archive.legacy!;
  const archives = chain.slice(0, level + 1);
  const totals = { files: 0, directories: 0, links: 0, bytes: 0 };
  let authenticity: Authenticity = { by: "key" };
  for (const [index, object] of archives.entries()) {
    const { name } = object;
    const source = await openLegacy(options.store, object, {
      passphrase: options.passphrase,
      signal: options.signal,
      onBytes: (storedBytes) => meter.add({ storedBytes }),
    });
    if (!source.encrypted) {
      if (options.allowUnauthenticated !== true) {
        await source.close();
        throw unauthentic(name);
      }
      authenticity = { by: "none" };
    }
    const read = await applyArchive(source.tar, {
      tree,
      newest: index === archives.length - 1,
      signal: options.signal,
      onMember: () => meter.add({ files: 1 }),
      onBytes: (bytes) => meter.add({ bytes }),
    }).catch((error: unknown) => {
      throw inArchive(name, error);
    });
    totals.files += read.files;
    totals.directories += read.directories;
    totals.links += read.links;
    totals.bytes += read.bytes;
  }
  return { applied: archives.map(({ name }) => name), authenticity, totals };
}

function provenBy({ encrypted }: LegacySource): Authenticity {
  return encrypted ? { by: "key" } : { by: "none" };
}

function unauthentic(name: string): RestbackupError {
  return new RestbackupError(
    "unauthentic",
    `Nothing proves who wrote ${printable(name)}: it is a plain archive, neither encrypted nor signed.`,
    {
      hint: "Anyone who can write to the store could have made it. If you trust the store, allow it: --allow-unauthenticated.",
    },
  );
}

/** Of a chain, only the name tells which archive is the one at fault. */
function inArchive(name: string, error: unknown): unknown {
  if (!(error instanceof RestbackupError) || error.code !== "damaged") return error;
  if (error.message.includes(printable(name))) return error;
  return new RestbackupError("damaged", `${printable(name)}: ${error.message}`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

function chainWarnings({ entry, legacy }: ArchiveEntry): string[] {
  if (legacy?.missing === undefined) return [];
  return [
    `${printable(legacy.missing)} is missing: the chain ends at ${printable(entry)}, and what was archived later cannot be restored`,
  ];
}

const MAX_WARNINGS = 1000;

/** Warnings, not more than anybody reads: a hostile archive could give any number. */
class Warnings {
  readonly #warnings: string[] = [];
  #more = 0;

  add(warning: string): void {
    if (this.#warnings.length < MAX_WARNINGS) this.#warnings.push(warning);
    else this.#more += 1;
  }

  addAll(warnings: readonly string[]): void {
    for (const warning of warnings) this.add(warning);
  }

  list(): string[] {
    return this.#more === 0
      ? this.#warnings
      : [...this.#warnings, `and ${this.#more} more of these kinds`];
  }
}
