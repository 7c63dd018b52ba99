import { createHash, type Hash, hash, randomUUID } from "node:crypto";
import fs from "node:fs";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import type { ContentsEntry, ContentsTotals } from "./contents.ts";
import { EntryOrder } from "./entry-order.ts";
import { systemPath } from "./path-bytes.ts";
import { paddedSize, TRAILER, tarHeader } from "./tar-header.ts";

export interface ExtractOptions {
  /** A new, empty folder to write into, or undefined to check everything and write nothing. */
  readonly root: string | undefined;
  /**
   * Whether every entry comes, with the whole tar stream: then its headers and padding are checked
   * too. Otherwise entries are a selection, and content is given for them.
   */
  readonly whole: boolean;
  /** Give entries their recorded owners. */
  readonly sameOwner: boolean;
}

export interface Extracted {
  readonly totals: ContentsTotals;
  readonly warnings: readonly string[];
}

const ZEROS = Buffer.alloc(64 * 2 ** 10);
/** Granularity at which holes are made again. */
const HOLE = 4096;
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const SET_ID = SET_UID | SET_GID;

/** A file whose content is coming in. */
interface OpenFile {
  readonly entry: ContentsEntry;
  readonly fd: number | undefined;
  readonly digest: Hash;
  done: number;
}

/**
 * Writes entries below a folder of its own, checking all it is given against the contents list.
 * Synchronous: made to run in a worker.
 *
 * Nothing can lead outside: the folder is new; paths have no `..`; every file is opened with
 * O_EXCL; and symbolic links are made last, so that nothing is ever written through one.
 */
export class Extractor {
  readonly #options: ExtractOptions;
  /** Permission bits that new files do not get here; looked up when first needed. */
  #withheld: number | undefined;
  readonly #queue: ContentsEntry[] = [];
  #queueAt = 0;
  /** Next byte of the tar stream, when it comes whole. */
  #position = 0;
  /** Bytes the stream must hold next: a header, padding or the trailer. */
  #expected: Uint8Array = new Uint8Array(0);
  #expectedAt = 0;
  #trailer = false;
  #open: OpenFile | undefined;
  /** The entry whose header is being compared. */
  #current: ContentsEntry | undefined;
  readonly #order = new EntryOrder();
  readonly #folders: ContentsEntry[] = [];
  readonly #symlinks: ContentsEntry[] = [];
  readonly #hardLinks = new Set<string>();
  /** Folders made before their own entry came, in a selection with hard links. */
  readonly #early = new Set<string>();
  readonly #warnings: string[] = [];
  #files = 0;
  #directories = 0;
  #links = 0;
  #bytes = 0;

  constructor(options: ExtractOptions) {
    this.#options = options;
  }

  get files(): number {
    return this.#files + this.#directories + this.#links;
  }

  get bytes(): number {
    return this.#bytes + (this.#open?.done ?? 0);
  }

  /** Announces entries, in archive order, before their content comes. */
  entries(entries: Iterable<ContentsEntry>): void {
    this.#queue.splice(0, this.#queueAt);
    this.#queueAt = 0;
    for (const entry of entries) this.#queue.push(entry);
    if (!this.#options.whole) this.#selected(0, ZEROS.subarray(0, 0));
  }

  /** Takes a piece of the tar stream that begins at `offset`. */
  content(offset: number, bytes: Uint8Array): void {
    if (this.#options.whole) this.#whole(offset, bytes);
    else this.#selected(offset, bytes);
  }

  /** After the last piece: links, modes and times that had to wait. */
  end(): Extracted {
    if (this.#open !== undefined || this.#queueAt < this.#queue.length) {
      throw damaged("The archive lacks content that its contents list names.");
    }
    if (this.#options.whole && (!this.#trailer || this.#expectedAt < this.#expected.length)) {
      throw damaged("The archive's tar stream does not end where its contents list does.");
    }
    if (this.#options.root !== undefined) {
      for (const entry of this.#symlinks) this.#makeSymlink(entry);
      // Deepest first: a folder's time changes with what is made in it, and its mode may forbid that.
      for (const entry of this.#folders.reverse()) this.#finishFolder(entry);
    }
    return {
      totals: {
        files: this.#files,
        directories: this.#directories,
        links: this.#links,
        bytes: this.#bytes,
      },
      warnings: this.#warnings,
    };
  }

  /** Closes what is open; for when the work is given up. */
  abandon(): void {
    if (this.#open?.fd !== undefined) fs.closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #whole(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#position) throw damaged("The archive's frames are not in order.");
    let at = 0;
    while (at < bytes.length) {
      if (this.#expectedAt < this.#expected.length) {
        at += this.#compare(bytes.subarray(at));
      } else if (this.#open !== undefined) {
        at += this.#fill(bytes.subarray(at));
      } else {
        this.#next();
      }
      if (this.#expectedAt === this.#expected.length && this.#current !== undefined) {
        const entry = this.#current;
        this.#current = undefined;
        at += this.#begin(entry, bytes, at, offset);
      }
    }
    this.#position = offset + bytes.length;
  }

  /** Sets what the stream must hold next. */
  #next(): void {
    const entry = this.#queue[this.#queueAt];
    if (entry !== undefined) {
      this.#queueAt += 1;
      this.#order.check(entry);
      this.#current = entry;
      this.#expect(tarHeader(entry));
    } else if (this.#trailer) {
      throw damaged("The archive's tar stream goes on after its end.");
    } else {
      this.#trailer = true;
      this.#expect(TRAILER);
    }
  }

  #expect(bytes: Uint8Array): void {
    this.#expected = bytes;
    this.#expectedAt = 0;
  }

  #compare(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.#expected.length - this.#expectedAt);
    const expected = this.#expected.subarray(this.#expectedAt, this.#expectedAt + length);
    if (Buffer.compare(expected, bytes.subarray(0, length)) !== 0) {
      throw damaged("The archive's tar stream is not what its contents list says.");
    }
    this.#expectedAt += length;
    return length;
  }

  /** Starts an entry whose header was right; returns how many bytes of content it took. */
  #begin(entry: ContentsEntry, bytes: Uint8Array, at: number, offset: number): number {
    if (entry.type !== "file") {
      this.#make(entry);
      return 0;
    }
    if (entry.offset !== offset + at) {
      throw damaged("The archive's contents list places a file where it is not.");
    }
    const size = entry.size!;
    const padding = ZEROS.subarray(0, paddedSize(size) - size);
    if (size <= bytes.length - at) {
      this.#wholeFile(entry, bytes.subarray(at, at + size));
      this.#expect(padding);
      return size;
    }
    this.#openFile(entry);
    return 0;
  }

  /** Gives content to the open file. */
  #fill(bytes: Uint8Array): number {
    const file = this.#open!;
    const size = file.entry.size!;
    const piece = bytes.subarray(0, size - file.done);
    this.#append(file, piece);
    if (file.done === size) {
      this.#closeFile(file);
      if (this.#options.whole) this.#expect(ZEROS.subarray(0, paddedSize(size) - size));
    }
    return piece.length;
  }

  #selected(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    let at = offset;
    for (;;) {
      if (this.#open !== undefined) {
        const from = this.#open.entry.offset! + this.#open.done;
        if (from < at) throw damaged("The archive's files are not in order.");
        if (from >= end) return;
        at = from + this.#fill(bytes.subarray(from - offset));
        continue;
      }
      const entry = this.#queue[this.#queueAt];
      if (entry === undefined) return;
      if (entry.type === "file" && entry.size! > 0) {
        if (entry.offset! >= end) return;
        if (entry.offset! < at) throw damaged("The archive's files are not in order.");
        this.#openFile(entry);
      } else if (entry.type === "file") {
        this.#wholeFile(entry, ZEROS.subarray(0, 0));
      } else {
        this.#make(entry);
      }
      this.#queueAt += 1;
    }
  }

  #make(entry: ContentsEntry): void {
    switch (entry.type) {
      case "directory":
        this.#directories += 1;
        this.#folders.push(entry);
        if (entry.path !== "." && this.#options.root !== undefined) this.#makeFolder(entry);
        break;
      case "symlink":
        this.#links += 1;
        this.#symlinks.push(entry);
        break;
      case "hardlink":
        this.#links += 1;
        if (this.#options.root !== undefined) this.#makeHardLink(entry);
        break;
      case "file":
        break;
    }
  }

  #wholeFile(entry: ContentsEntry, content: Uint8Array): void {
    if (hash("sha256", content, "hex") !== entry.sha256) throw wrongContent(entry.path);
    if (this.#options.root !== undefined) {
      const fd = this.#create(entry);
      try {
        this.#writeAt(fd, entry, content, 0);
        this.#finishFile(fd, entry);
      } finally {
        fs.closeSync(fd);
      }
    }
    this.#files += 1;
    this.#bytes += content.length;
  }

  #openFile(entry: ContentsEntry): void {
    const fd = this.#options.root === undefined ? undefined : this.#create(entry);
    this.#open = { entry, fd, digest: createHash("sha256"), done: 0 };
  }

  #append(file: OpenFile, piece: Uint8Array): void {
    file.digest.update(piece);
    if (file.fd !== undefined) this.#writeAt(file.fd, file.entry, piece, file.done);
    file.done += piece.length;
  }

  #closeFile(file: OpenFile): void {
    if (file.digest.digest("hex") !== file.entry.sha256) throw wrongContent(file.entry.path);
    if (file.fd !== undefined) {
      this.#finishFile(file.fd, file.entry);
      fs.closeSync(file.fd);
    }
    this.#open = undefined;
    this.#files += 1;
    this.#bytes += file.done;
  }

  #location(path: string): string | Buffer {
    checkPlatform(path);
    return systemPath(path === "." ? this.#options.root! : `${this.#options.root}/${path}`);
  }

  #create(entry: ContentsEntry): number {
    const location = this.#location(entry.path);
    const mode = entry.mode & 0o777;
    try {
      return fs.openSync(location, "wx", mode | 0o200);
    } catch (error) {
      if (systemCode(error) === "ENOENT" && !this.#options.whole) {
        this.#makeParents(entry.path);
        return fs.openSync(location, "wx", mode | 0o200);
      }
      throw cannotMake(entry.path, error);
    }
  }

  /** Writes content, leaving holes where the original had them. */
  #writeAt(fd: number, entry: ContentsEntry, content: Uint8Array, position: number): void {
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

  #finishFile(fd: number, entry: ContentsEntry): void {
    try {
      const mode = this.#mode(entry, () => fs.fstatSync(fd));
      const made = (entry.mode & 0o777) | 0o200;
      if (this.#options.sameOwner) fs.fchownSync(fd, entry.uid ?? 0, entry.gid ?? 0);
      if (this.#options.sameOwner || (made & ~this.#withheldBits()) !== mode)
        fs.fchmodSync(fd, mode);
      const time = seconds(entry.mtime);
      fs.futimesSync(fd, time, time);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
  }

  #withheldBits(): number {
    this.#withheld ??= withheldBits(this.#options.root!);
    return this.#withheld;
  }

  /** Set-id bits come back only with the owner, and the group, they were given to. */
  #mode(entry: ContentsEntry, made: () => fs.Stats): number {
    if ((entry.mode & SET_ID) === 0 || this.#options.sameOwner) return entry.mode;
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

  #makeFolder(entry: ContentsEntry): void {
    if (this.#early.delete(entry.path)) return;
    const location = this.#location(entry.path);
    try {
      fs.mkdirSync(location, { mode: 0o700 });
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
  }

  #makeParents(path: string): void {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const parent = parts.slice(0, depth).join("/");
      try {
        fs.mkdirSync(this.#location(parent), { mode: 0o700 });
        this.#early.add(parent);
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw cannotMake(parent, error);
      }
    }
  }

  #makeHardLink(entry: ContentsEntry): void {
    // The list names the file itself, never another link to it.
    this.#hardLinks.add(entry.path);
    if (this.#hardLinks.has(entry.target!)) throw linkToNothing(entry);
    const from = this.#location(entry.target!);
    const to = this.#location(entry.path);
    try {
      try {
        fs.linkSync(from, to);
      } catch (error) {
        // No hard links here, or no more for this file: its content counts for more than the link.
        const code = systemCode(error) ?? "";
        if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) throw error;
        fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
        if (this.#options.sameOwner) fs.chownSync(to, entry.uid ?? 0, entry.gid ?? 0);
        fs.chmodSync(
          to,
          this.#mode(entry, () => fs.statSync(to)),
        );
        fs.utimesSync(to, seconds(entry.mtime), seconds(entry.mtime));
        this.#warnings.push(`${printable(entry.path)}: copied, since it could not be linked`);
      }
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "EISDIR"].includes(systemCode(error) ?? ""))
        throw linkToNothing(entry);
      throw cannotMake(entry.path, error);
    }
  }

  #makeSymlink(entry: ContentsEntry): void {
    const location = this.#location(entry.path);
    try {
      fs.symlinkSync(systemPath(entry.target!), location, this.#linkKind(entry));
      if (this.#options.sameOwner) fs.lchownSync(location, entry.uid ?? 0, entry.gid ?? 0);
      const time = seconds(entry.mtime);
      fs.lutimesSync(location, time, time);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
  }

  /** Windows has two kinds of link. */
  #linkKind(entry: ContentsEntry): "dir" | "file" | undefined {
    if (process.platform !== "win32") return undefined;
    const folder = entry.path.split("/").slice(0, -1).join("/");
    const target = `${this.#options.root}/${folder}/${entry.target}`;
    return fs.statSync(target, { throwIfNoEntry: false })?.isDirectory() ? "dir" : "file";
  }

  #finishFolder(entry: ContentsEntry): void {
    const location = this.#location(entry.path);
    try {
      if (this.#options.sameOwner) fs.chownSync(location, entry.uid ?? 0, entry.gid ?? 0);
      fs.chmodSync(location, entry.mode);
      const time = seconds(entry.mtime);
      fs.utimesSync(location, time, time);
    } catch (error) {
      throw cannotMake(entry.path, error);
    }
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
function seconds(mtime: string): string {
  return mtime;
}

function writeFully(fd: number, content: Uint8Array, position: number): void {
  for (let done = 0; done < content.length; ) {
    done += fs.writeSync(fd, content, done, content.length - done, position + done);
  }
}

function damaged(message: string): RestbackupError {
  return new RestbackupError("damaged", message);
}

export function linkToNothing({ path }: ContentsEntry): RestbackupError {
  return damaged(`The archive links ${printable(path)} to something it does not hold.`);
}

function wrongContent(path: string): RestbackupError {
  return damaged(`The content of ${printable(path)} is not what was backed up.`);
}

function cannotMake(path: string, error: unknown): RestbackupError {
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
