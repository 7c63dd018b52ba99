import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  utimes,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { decimalSeconds } from "../archive/packer.ts";
import { pathFromBytes, systemPath } from "../archive/path-bytes.ts";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";

/** The target of a restore, and the folder in which it is prepared. */
export interface Target {
  /** Absolute path of the target. */
  readonly path: string;
  /** A new, empty folder on the target's file system. */
  readonly staging: string;
  /**
   * Moves what was prepared into place; on failure everything is as it was before. `root` tells
   * whether the staging folder's own mode and time were restored too.
   */
  place(root: boolean): Promise<void>;
  /** Removes what was prepared and not placed. Never throws. */
  discard(): Promise<void>;
}

/**
 * Looks at the target and makes the staging folder. Throws `target-exists` when it is no folder, or
 * holds something and may not be overwritten.
 */
export async function prepareTarget(
  to: string,
  { overwrite }: { readonly overwrite: boolean },
): Promise<Target> {
  const given = resolve(to);
  let made: string | undefined;
  try {
    const existing = await existingFolder(given, overwrite);
    if (existing !== undefined) {
      const staging = await keepingTime(existing, () => makeStagingFor(existing));
      return {
        path: existing,
        staging,
        place: (root) => merge(staging, existing, root),
        discard: () =>
          keepingTime(existing, () => removeTree(staging)).catch(() => removeTree(staging)),
      };
    }
    made = await mkdir(dirname(given), { recursive: true });
    const staging = await mkdtemp(join(dirname(given), STAGING));
    return {
      path: given,
      staging,
      place: (root) => placeNew(staging, given, root),
      discard: async () => {
        await removeTree(staging);
        await removeEmpty(dirname(given), made);
      },
    };
  } catch (error) {
    await removeEmpty(dirname(given), made);
    throw ioError(`Cannot restore to ${printable(given)}`, error);
  }
}

/** Removes folders that were made for the target and came to hold nothing, up to the first made. */
async function removeEmpty(folder: string, first: string | undefined): Promise<void> {
  if (first === undefined) return;
  try {
    for (let path = folder; path.length >= first.length; path = dirname(path)) await rmdir(path);
  } catch {
    // It holds something: the target, or what others put there.
  }
}

/** The true path of an existing target, or undefined when it is to be made. */
async function existingFolder(path: string, overwrite: boolean): Promise<string | undefined> {
  const found = await lstat(path).catch(absent);
  if (found === undefined) return undefined;
  const folder = await stat(path).catch(absent);
  if (folder?.isDirectory() !== true) {
    throw new RestbackupError("target-exists", `${printable(path)} exists and is no folder.`, {
      hint: "Name another folder with --to.",
    });
  }
  if (!overwrite && (await readdir(path)).length > 0) {
    throw new RestbackupError("target-exists", `${printable(path)} is not empty.`, {
      hint: "Name a new folder with --to, or replace what is there with --overwrite (input overwrite).",
    });
  }
  return realpath(path);
}

const STAGING = ".restbackup-restore-";

/** Beside the target, or within it where it is a mount point or its parent cannot be written. */
async function makeStagingFor(target: string): Promise<string> {
  try {
    const beside = await mkdtemp(join(dirname(target), STAGING));
    if ((await stat(beside)).dev === (await stat(target)).dev) return beside;
    await rm(beside, { recursive: true, force: true });
  } catch {
    // Within it, then.
  }
  return mkdtemp(join(target, STAGING));
}

/** Does something that may come and go in a folder, without a trace in the folder's time. */
async function keepingTime<T>(folder: string, doing: () => Promise<T>): Promise<T> {
  const before = await lookOf(folder);
  const result = await doing();
  const after = await lookOf(folder);
  if (after.mtime !== before.mtime) await utimes(folder, before.atime, before.mtime);
  return result;
}

async function placeNew(staging: string, path: string, root: boolean): Promise<void> {
  try {
    if (!root) await chmod(staging, 0o777 & ~process.umask());
    await rename(staging, path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR") {
      throw new RestbackupError(
        "target-exists",
        `${printable(path)} appeared during the restore.`,
        {
          hint: "Nothing was changed. Name another folder with --to.",
        },
      );
    }
    throw ioError(`Cannot move the restored files to ${printable(path)}`, error);
  }
}

type Path = string | Buffer;

/** What was done, so that it can be undone, last first. */
type Journal = (() => Promise<void>)[];

/** Moves a prepared tree over an existing one; what is replaced waits aside until all is done. */
async function merge(staging: string, target: string, root: boolean): Promise<void> {
  const doing = `Cannot move the restored files to ${printable(target)}`;
  let aside: string;
  try {
    aside = await keepingTime(target, () => mkdtemp(join(dirname(staging), STAGING)));
  } catch (error) {
    throw ioError(doing, error);
  }
  const journal: Journal = [];
  try {
    let count = 0;
    const before = await stat(target);
    await mergeFolder(staging, target, journal, () => join(aside, String(count++)));
    if (!root) await chmod(target, before.mode & 0o7777);
  } catch (error) {
    if (!(await undoAll(journal))) {
      throw ioError(
        doing,
        error,
        `Some of what was there could not be put back; what is missing lies in ${printable(aside)}.`,
      );
    }
    await keepingTime(target, () => removeTree(aside));
    throw ioError(doing, error);
  }
  await keepingTime(target, () => removeTree(aside));
}

/** Whether everything could be undone; what can is, whatever fails before it. */
async function undoAll(journal: Journal): Promise<boolean> {
  let all = true;
  for (const undo of journal.reverse()) {
    await undo().catch(() => {
      all = false;
    });
  }
  return all;
}

async function mergeFolder(
  from: Path,
  to: Path,
  journal: Journal,
  nextAside: () => string,
): Promise<void> {
  const restored = await lookOf(from);
  const before = await lookOf(to);
  await chmod(to, before.mode | 0o700);
  journal.push(() => dress(to, before));
  await chmod(from, restored.mode | 0o700);
  const names = await readdir(from, { encoding: "buffer" });
  for (const name of names.sort(Buffer.compare)) {
    const source = child(from, name);
    const destination = child(to, name);
    const existing = await lstat(destination).catch(absent);
    if (existing?.isDirectory() === true && (await lstat(source)).isDirectory()) {
      await mergeFolder(source, destination, journal, nextAside);
      continue;
    }
    if (existing !== undefined) await move(destination, nextAside(), journal);
    await move(source, destination, journal);
  }
  // The restored mode may forbid what undoing has to do.
  journal.push(() => chmod(to, before.mode | 0o700));
  await dress(to, restored);
}

/** Names that are not UTF-8 are followed too. */
function child(folder: Path, name: Buffer): Path {
  return systemPath(
    `${typeof folder === "string" ? folder : pathFromBytes(folder)}/${pathFromBytes(name)}`,
  );
}

/** Moves an entry; a folder that may not be written must be, for its `..` changes. */
async function move(from: Path, to: Path, journal: Journal): Promise<void> {
  const stats = await lstat(from);
  const locked = stats.isDirectory() && (stats.mode & 0o200) === 0;
  await renameLocked(from, to, locked ? stats.mode : undefined);
  journal.push(() => renameLocked(to, from, locked ? stats.mode : undefined));
}

/** `mode` is that of a folder which may not be written, to be kept. */
async function renameLocked(from: Path, to: Path, mode: number | undefined): Promise<void> {
  if (mode === undefined) return rename(from, to);
  await chmod(from, mode | 0o200);
  try {
    await rename(from, to);
  } catch (error) {
    await chmod(from, mode);
    throw error;
  }
  await chmod(to, mode);
}

/** Mode and times of a folder; seconds as text, since `node:fs` takes a negative number for now. */
interface Look {
  readonly mode: number;
  readonly atime: string;
  readonly mtime: string;
}

async function lookOf(folder: Path): Promise<Look> {
  const { mode, atimeNs, mtimeNs } = await stat(folder, { bigint: true });
  return {
    mode: Number(mode) & 0o7777,
    atime: decimalSeconds(atimeNs),
    mtime: decimalSeconds(mtimeNs),
  };
}

async function dress(folder: Path, look: Look): Promise<void> {
  await utimes(folder, look.atime, look.mtime);
  await chmod(folder, look.mode);
}

/** Removes a tree, folders that may not be written included. Never throws. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(async () => {
    await unlock(path);
    // What still cannot be removed is litter beside the target, never the target.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  });
}

async function unlock(folder: Path): Promise<void> {
  await chmod(folder, 0o700).catch(() => {});
  const entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" }).catch(
    () => [],
  );
  for (const entry of entries) if (entry.isDirectory()) await unlock(child(folder, entry.name));
}

function absent(error: unknown): undefined {
  if (systemCode(error) === "ENOENT") return undefined;
  throw error;
}
