import type { Stats } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  utimes,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
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
  try {
    const existing = await existingFolder(given, overwrite);
    const path = existing ?? given;
    if (existing === undefined) await mkdir(dirname(path), { recursive: true });
    const staging = await makeStaging(path, existing !== undefined);
    return {
      path,
      staging,
      place: (root) =>
        existing === undefined ? placeNew(staging, path, root) : merge(staging, path, root),
      discard: () => removeTree(staging),
    };
  } catch (error) {
    throw ioError(`Cannot restore to ${printable(given)}`, error);
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
async function makeStaging(path: string, exists: boolean): Promise<string> {
  try {
    const beside = await mkdtemp(join(dirname(path), STAGING));
    if (!exists || (await stat(beside)).dev === (await stat(path)).dev) return beside;
    await rm(beside, { recursive: true, force: true });
  } catch (error) {
    if (!exists) throw error;
  }
  return mkdtemp(join(path, STAGING));
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
  const aside = await mkdtemp(join(dirname(staging), STAGING));
  const journal: Journal = [];
  try {
    let count = 0;
    const before = await stat(target);
    await mergeFolder(staging, target, journal, () => join(aside, String(count++)));
    if (!root) await chmod(target, before.mode & 0o7777);
  } catch (error) {
    for (const undo of journal.reverse()) await undo();
    await removeTree(aside);
    throw ioError(`Cannot move the restored files to ${printable(target)}`, error);
  }
  await removeTree(aside);
}

async function mergeFolder(
  from: Path,
  to: Path,
  journal: Journal,
  nextAside: () => string,
): Promise<void> {
  const restored = await stat(from);
  const before = await stat(to);
  await chmod(to, before.mode | 0o700);
  journal.push(() => dress(to, before));
  await chmod(from, restored.mode | 0o700);
  for (const name of await readdir(from, { encoding: "buffer" })) {
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
  if (locked) await chmod(from, stats.mode | 0o200);
  await rename(from, to);
  if (locked) await chmod(to, stats.mode);
  journal.push(async () => {
    if (locked) await chmod(to, stats.mode | 0o200);
    await rename(to, from);
    if (locked) await chmod(from, stats.mode);
  });
}

/** Gives a folder mode and time. */
async function dress(folder: Path, stats: Stats): Promise<void> {
  await utimes(folder, stats.atimeMs / 1000, stats.mtimeMs / 1000);
  await chmod(folder, stats.mode & 0o7777);
}

/** Removes a tree, folders that may not be written included. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(async () => {
    await unlock(path);
    // What still cannot be removed is litter beside the target, never the target.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  });
}

async function unlock(folder: string): Promise<void> {
  await chmod(folder, 0o700).catch(() => {});
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await unlock(join(folder, entry.name));
  }
}

function absent(error: unknown): undefined {
  if (systemCode(error) === "ENOENT") return undefined;
  throw error;
}
