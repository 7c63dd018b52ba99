import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import type { ContentsEntry } from "./contents.ts";
import { systemPath } from "./path-bytes.ts";

/** What making a file needs to know of its entry. */
export type FileEntry = Pick<
  ContentsEntry,
  "path" | "mode" | "mtime" | "uid" | "gid" | "size" | "sparse"
>;

const ZEROS = Buffer.alloc(4096);
/** Granularity at which holes are made again. */
const HOLE = ZEROS.length;
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const SET_ID = SET_UID | SET_GID;

/** Makes the files of a restore, below a folder that is its own. Synchronous. */
export class FileMaker {
  readonly #root: string;
  readonly #sameOwner: boolean;
  /** Permission bits that new files do not get here; looked up when first needed. */
  #withheld: number | undefined;
  #warnings: string[] = [];

  constructor(root: string, options: { readonly sameOwner: boolean }) {
    this.#root = root;
    this.#sameOwner = options.sameOwner;
  }

  /** What could not be put back exactly since the last call, in words. */
  takeWarnings(): string[] {
    const warnings = this.#warnings;
    this.#warnings = [];
    return warnings;
  }

  /** Where a path of the archive lies. Throws `io` for names that this system cannot hold. */
  location(path: string): string | Buffer {
    checkPlatform(path);
    return systemPath(path === "." ? this.#root : `${this.#root}/${path}`);
  }

  /** A file with all its content. Throws `io`. */
  make(entry: FileEntry, content: Uint8Array): void {
    let fd: number;
    try {
      fd = this.create(entry);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
    try {
      this.write(fd, entry, content, 0);
      this.finish(fd, entry);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** A new, empty file, open for writing. Throws what `node:fs` does. */
  create({ path, mode }: FileEntry): number {
    return fs.openSync(this.location(path), "wx", (mode & 0o777) | 0o200);
  }

  /** Writes content, leaving holes where the original had them. Throws `io`. */
  write(fd: number, entry: FileEntry, content: Uint8Array, position: number): void {
    try {
      if (entry.sparse !== true) {
        writeFully(fd, content, position);
        return;
      }
      for (let at = 0; at < content.length; ) {
        const block = content.subarray(at, at + HOLE - ((position + at) % HOLE));
        if (Buffer.compare(block, ZEROS.subarray(0, block.length)) !== 0) {
          writeFully(fd, block, position + at);
        }
        at += block.length;
      }
      if (position + content.length === entry.size) fs.ftruncateSync(fd, entry.size);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
  }

  /** Owner, mode and time, once the content is written. Throws `io`. */
  finish(fd: number, entry: FileEntry): void {
    try {
      const mode = this.modeOf(entry, () => fs.fstatSync(fd));
      const made = (entry.mode & 0o777) | 0o200;
      this.#withheld ??= withheldBits(this.#root);
      if (this.#sameOwner) fs.fchownSync(fd, entry.uid ?? 0, entry.gid ?? 0);
      if (this.#sameOwner || (made & ~this.#withheld) !== mode) fs.fchmodSync(fd, mode);
      const time = seconds(entry.mtime);
      fs.futimesSync(fd, time, time);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
  }

  /** Set-id bits come back only with the owner, and the group, they were given to. */
  modeOf(entry: FileEntry, made: () => fs.Stats): number {
    if ((entry.mode & SET_ID) === 0 || this.#sameOwner) return entry.mode;
    const { uid, gid } = made();
    const sameOwner = (entry.uid ?? 0) === uid;
    const kept = (sameOwner ? SET_UID : 0) | (sameOwner && (entry.gid ?? 0) === gid ? SET_GID : 0);
    const mode = entry.mode & (0o1777 | kept);
    if (mode !== entry.mode) {
      this.#warnings.push(
        `${printable(entry.path)}: set-user-id and set-group-id bits left out, for its owner or group is another`,
      );
    }
    return mode;
  }
}

/** Found by trying, since a default ACL of the folder counts in place of the umask. */
function withheldBits(folder: string): number {
  const probe = `${folder}/.probe-${randomUUID()}`;
  const fd = fs.openSync(probe, "wx", 0o777);
  try {
    return ~fs.fstatSync(fd).mode & 0o777;
  } finally {
    fs.closeSync(fd);
    fs.unlinkSync(probe);
  }
}

/** Names that stand for something else on Windows: streams, devices, other folders. */
export function checkPlatform(path: string): void {
  if (process.platform !== "win32") return;
  for (const part of path.split("/")) {
    if (
      /[<>:"\\|?*\u0000-\u001f]/.test(part) ||
      (/[. ]$/.test(part) && part !== ".") ||
      /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(part)
    ) {
      throw new RestbackupError("io", `Windows cannot hold a file named ${printable(path)}.`, {
        hint: "Restore on Linux or macOS, or leave it out with --include.",
      });
    }
  }
}

/**
 * Seconds as `node:fs` takes them: a double in the end, so to within 0.24 microseconds. As text,
 * because a negative number would mean the present to it.
 */
export function seconds(mtime: string): string {
  return mtime;
}

function writeFully(fd: number, content: Uint8Array, position: number): void {
  for (let done = 0; done < content.length; ) {
    done += fs.writeSync(fd, content, done, content.length - done, position + done);
  }
}

/** A failure to make something, in words. */
export function cannotMake(path: string, error: unknown): RestbackupError {
  if (error instanceof RestbackupError) return error;
  if (systemCode(error) === "EEXIST") {
    return new RestbackupError(
      "io",
      `The archive holds ${printable(path)} beside another name that this file system takes for the same.`,
      { hint: "Restore on a file system that tells upper and lower case apart, or use --include." },
    );
  }
  return ioError(`Cannot restore ${printable(path)}`, error);
}

/** A file that is not what its entry says. */
export function wrongContent(path: string): RestbackupError {
  return new RestbackupError(
    "damaged",
    `The content of ${printable(path)} is not what was backed up.`,
  );
}
