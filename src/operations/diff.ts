import { createHash } from "node:crypto";
import { type BigIntStats, createReadStream } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { ContentsEntry } from "../archive/contents.ts";
import { comparePaths } from "../archive/entry-order.ts";
import { decimalSeconds } from "../archive/packer.ts";
import { pathFromBytes } from "../archive/path-bytes.ts";
import type { ArchiveReader } from "../archive/read-archive.ts";
import { resolveSelection } from "../archive/selection.ts";
import { type Found, walk } from "../archive/walk.ts";
import { ioError, RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import type { ArchiveEntry } from "./entries.ts";
import { type OpenedEntry, openEntry, requireAuthentic } from "./open-entry.ts";
import type { ReadOptions } from "./restore.ts";

/** What is not alike about an entry that both sides have. */
export type Aspect = "type" | "content" | "target" | "mode" | "owner" | "time";

/** One path that is not on both sides, or not the same. */
export interface Difference {
  readonly path: string;
  readonly change: "added" | "removed" | "changed";
  /** For `changed`. */
  readonly aspects: readonly Aspect[];
}

/** What differs, and between what. */
export interface DiffResult {
  readonly from: ArchiveEntry;
  /** The later backup, or the folder that was compared with. */
  readonly to: ArchiveEntry | { readonly folder: string };
  /** In the order of a contents list; read as it is iterated. */
  readonly differences: AsyncIterable<Difference>;
}

/** What tells entries apart, wherever they are from. */
interface Item extends Omit<ContentsEntry, "sha256" | "offset" | "sparse" | "changed"> {
  /** SHA-256 of a file's content; asked for only where it decides. */
  readonly digest?: () => Promise<string>;
}

/** What changed from one backup to another, by their contents lists alone. */
export async function diffEntries(from: ReadOptions, to: ReadOptions): Promise<DiffResult> {
  const [older, newer] = [await openAuthentic(from), await openAuthentic(to)];
  return {
    from: older.archive,
    to: newer.archive,
    differences: compare(listed(older.reader), listed(newer.reader), false),
  };
}

/** Which backup to compare with which folder. */
export interface DiffFolderOptions extends ReadOptions {
  /** Absolute path. */
  readonly folder: string;
  /** Read files even where size and time say that they did not change. */
  readonly checksum?: boolean | undefined;
}

/**
 * What changed from a backup to a folder as it is now. Files of the same size and time are taken for
 * unchanged unless `checksum` is given. Owners are not compared. Throws `not-found` when there is no
 * such folder, `io` for what cannot be read.
 */
export async function diffFolder(options: DiffFolderOptions): Promise<DiffResult> {
  const { folder, checksum = false } = options;
  const opened = await openAuthentic(options);
  const root = await lstat(folder).catch((error: unknown) => {
    throw ioError(`Cannot read ${printable(folder)}`, error);
  });
  if (!root.isDirectory()) {
    throw new RestbackupError("usage", `${printable(folder)} is no folder.`, {
      hint: "Compare with a folder, or with another backup by its name in the list.",
    });
  }
  const differences = compare(unlinked(opened.reader), present(folder), !checksum);
  return { from: opened.archive, to: { folder }, differences };
}

async function openAuthentic(options: ReadOptions): Promise<OpenedEntry> {
  const opened = await openEntry(options);
  requireAuthentic(opened, options.allowUnauthenticated);
  return opened;
}

async function* listed(reader: ArchiveReader): AsyncGenerator<Item> {
  for await (const entry of reader.entries()) yield { ...entry, ...digestOf(entry) };
}

/** With every name of a file as a file: a folder does not tell which of its names came first. */
async function* unlinked(reader: ArchiveReader): AsyncGenerator<Item> {
  for await (const { uid: _uid, gid: _gid, ...entry } of reader.entries()) {
    if (entry.type !== "hardlink") {
      yield { ...entry, ...digestOf(entry) };
      continue;
    }
    const file = await reader.find(entry.target!);
    const { path, mode, mtime } = entry;
    yield { path, mode, mtime, type: "file", size: file?.size ?? 0, ...digestOf(file ?? entry) };
  }
}

function digestOf({ sha256 }: ContentsEntry): Pick<Item, "digest"> {
  return sha256 === undefined ? {} : { digest: async () => sha256 };
}

/** The entries of a folder as they would be backed up. */
async function* present(folder: string): AsyncGenerator<Item> {
  const selection = resolveSelection({ paths: [folder], cwd: folder });
  const found = walk(selection, (path, error) => {
    throw ioError(`Cannot read ${printable(path)}`, error);
  });
  for (const item of found) {
    const made = await itemOf(item);
    if (made !== undefined) yield made;
  }
}

async function itemOf({ path, location }: Found): Promise<Item | undefined> {
  try {
    const stat = await lstat(location, { bigint: true });
    const type = typeOf(stat);
    if (type === undefined) return undefined;
    const mode = type === "symlink" ? 0o777 : Number(stat.mode) & 0o7777;
    const common = { path, type, mode, mtime: decimalSeconds(stat.mtimeNs) } as const;
    if (type === "directory") return common;
    if (type === "symlink") {
      return { ...common, target: pathFromBytes(await readlink(location, "buffer")) };
    }
    return { ...common, size: Number(stat.size), digest: () => digestOfFile(location) };
  } catch (error) {
    throw ioError(`Cannot read ${printable(path)}`, error);
  }
}

function typeOf(stat: BigIntStats): ContentsEntry["type"] | undefined {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "symlink" : undefined;
}

async function digestOfFile(location: string | Buffer): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(location), digest);
  return digest.digest("hex");
}

/** Both sides are in the order of a contents list. */
async function* compare(
  from: AsyncGenerator<Item>,
  to: AsyncGenerator<Item>,
  trustTimes: boolean,
): AsyncGenerator<Difference> {
  try {
    let [one, other] = [await from.next(), await to.next()];
    while (one.done !== true || other.done !== true) {
      const order =
        one.done === true
          ? 1
          : other.done === true
            ? -1
            : comparePaths(one.value.path, other.value.path);
      if (order < 0) {
        yield { path: (one.value as Item).path, change: "removed", aspects: [] };
        one = await from.next();
      } else if (order > 0) {
        yield { path: (other.value as Item).path, change: "added", aspects: [] };
        other = await to.next();
      } else {
        const aspects = await unlike(one.value as Item, other.value as Item, trustTimes);
        if (aspects.length > 0) {
          yield { path: (one.value as Item).path, change: "changed", aspects };
        }
        [one, other] = [await from.next(), await to.next()];
      }
    }
  } finally {
    await from.return(undefined);
    await to.return(undefined);
  }
}

async function unlike(one: Item, other: Item, trustTimes: boolean): Promise<Aspect[]> {
  if (one.type !== other.type) return ["type"];
  const aspects: Aspect[] = [];
  const sameTime = one.mtime === other.mtime;
  if (one.type === "file") {
    const sameSize = one.size === other.size;
    const known = sameSize && sameTime && trustTimes;
    if (!sameSize || (!known && (await one.digest?.()) !== (await other.digest?.()))) {
      aspects.push("content");
    }
  }
  if (one.target !== other.target) aspects.push("target");
  if (one.mode !== other.mode) aspects.push("mode");
  if ((one.uid ?? 0) !== (other.uid ?? 0) || (one.gid ?? 0) !== (other.gid ?? 0)) {
    aspects.push("owner");
  }
  if (!sameTime) aspects.push("time");
  return aspects;
}
