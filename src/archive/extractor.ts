import { createHash, type Hash, hash } from "node:crypto";
import fs from "node:fs";
import { RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import type { ContentsEntry, ContentsTotals } from "./contents.ts";
import { EntryOrder } from "./entry-order.ts";
import { cannotMake, FileMaker, seconds, wrongContent } from "./file-maker.ts";
import { systemPath } from "./path-bytes.ts";
import { BLOCK, paddedSize, TRAILER, tarHeader, USUAL_HEADER } from "./tar-header.ts";

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
  /**
   * Takes over the making of files: told which parts of the piece given to `content` belong to them,
   * in order. A file in one part is known to be right; one in several is the maker's to check. All
   * must be made before {@link Extractor.end}.
   */
  readonly onPart?: (part: FilePart) => void;
}

/** Where a part of a file's content lies in the piece of tar stream in hand. */
export interface FilePart {
  readonly entry: ContentsEntry;
  readonly at: number;
  readonly length: number;
  /** Where it belongs in the file. */
  readonly position: number;
}

export interface Extracted {
  readonly totals: ContentsTotals;
  readonly warnings: readonly string[];
}

const ZEROS = Buffer.alloc(BLOCK);

/** Entries to come, read one by one: those of a whole list would outlive many a garbage collection. */
class EntryQueue {
  readonly #sources: Iterator<ContentsEntry>[] = [];
  #next: ContentsEntry | undefined;

  add(entries: Iterable<ContentsEntry>): void {
    this.#sources.push(entries[Symbol.iterator]());
  }

  get next(): ContentsEntry | undefined {
    while (this.#next === undefined && this.#sources.length > 0) {
      const { done, value } = this.#sources[0]!.next();
      if (done === true) this.#sources.shift();
      else this.#next = value;
    }
    return this.#next;
  }

  take(): void {
    this.#next = undefined;
  }
}

/** A file whose content is coming in. */
interface OpenFile {
  readonly entry: ContentsEntry;
  readonly fd: number | undefined;
  /** Undefined where whoever makes the file checks it. */
  readonly digest: Hash | undefined;
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
  /** Undefined when nothing is to be written. */
  readonly #maker: FileMaker | undefined;
  readonly #queue = new EntryQueue();
  /** Next byte of the tar stream, when it comes whole. */
  #position = 0;
  /** Bytes the stream must hold next: those of a header, padding or the trailer, up to an end. */
  #expected: Buffer = ZEROS;
  #expectedAt = 0;
  #expectedEnd = 0;
  /** Where headers are made: each is compared before the next is. */
  readonly #header = Buffer.alloc(USUAL_HEADER);
  #trailer = false;
  #open: OpenFile | undefined;
  /** The entry whose header is being compared. */
  #current: ContentsEntry | undefined;
  readonly #order = new EntryOrder();
  readonly #folders: ContentsEntry[] = [];
  readonly #symlinks: ContentsEntry[] = [];
  readonly #hardLinks: ContentsEntry[] = [];
  /** Folders made before their own entry came, in a selection with hard links. */
  readonly #early = new Set<string>();
  readonly #warnings: string[] = [];
  #files = 0;
  #directories = 0;
  #links = 0;
  #bytes = 0;

  constructor(options: ExtractOptions) {
    this.#options = options;
    if (options.root !== undefined) this.#maker = new FileMaker(options.root, options);
  }

  get files(): number {
    return this.#files + this.#directories + this.#links;
  }

  get bytes(): number {
    return this.#bytes + (this.#open?.done ?? 0);
  }

  /** Announces entries, in archive order, before their content comes; they are taken as it does. */
  entries(entries: Iterable<ContentsEntry>): void {
    this.#queue.add(entries);
    if (!this.#options.whole) this.#selected(0, ZEROS.subarray(0, 0));
  }

  /** Takes a piece of the tar stream that begins at `offset`. */
  content(offset: number, bytes: Uint8Array): void {
    if (this.#options.whole) this.#whole(offset, bytes);
    else this.#selected(offset, bytes);
  }

  /** After the last piece, once all files are made: links, modes and times that had to wait. */
  end(): Extracted {
    if (this.#open !== undefined || this.#queue.next !== undefined) {
      throw damaged("The archive lacks content that its contents list names.");
    }
    if (this.#options.whole && (!this.#trailer || this.#expectedAt < this.#expectedEnd)) {
      throw damaged("The archive's tar stream does not end where its contents list does.");
    }
    if (this.#maker !== undefined) {
      // The list names the file itself, never another link to it.
      const links = new Set(this.#hardLinks.map(({ path }) => path));
      for (const entry of this.#hardLinks) {
        if (links.has(entry.target!)) throw linkToNothing(entry);
        this.#makeHardLink(this.#maker, entry);
      }
      for (const entry of this.#symlinks) this.#makeSymlink(this.#maker, entry);
      // Deepest first: a folder's time changes with what is made in it, and its mode may forbid that.
      for (const entry of this.#folders.reverse()) this.#finishFolder(this.#maker, entry);
      this.#warnings.push(...this.#maker.takeWarnings());
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
      if (this.#expectedAt < this.#expectedEnd) {
        at += this.#compare(bytes, at);
      } else if (this.#open !== undefined) {
        at += this.#fill(bytes.subarray(at), at);
      } else {
        this.#next();
      }
      if (this.#expectedAt === this.#expectedEnd && this.#current !== undefined) {
        const entry = this.#current;
        this.#current = undefined;
        at += this.#begin(entry, bytes, at, offset);
      }
    }
    this.#position = offset + bytes.length;
  }

  /** Sets what the stream must hold next. */
  #next(): void {
    const entry = this.#queue.next;
    if (entry !== undefined) {
      this.#queue.take();
      this.#order.check(entry);
      this.#current = entry;
      this.#expect(tarHeader(entry, this.#header));
    } else if (this.#trailer) {
      throw damaged("The archive's tar stream goes on after its end.");
    } else {
      this.#trailer = true;
      this.#expect(TRAILER);
    }
  }

  #expect(bytes: Buffer, length = bytes.length): void {
    this.#expected = bytes;
    this.#expectedAt = 0;
    this.#expectedEnd = length;
  }

  /** Compares what is expected with what is there `at`; returns for how many bytes. */
  #compare(bytes: Uint8Array, at: number): number {
    const length = Math.min(bytes.length - at, this.#expectedEnd - this.#expectedAt);
    const from = this.#expectedAt;
    // Of whole views: Deno checks the bounds of a part against the wrong array.
    const expected = this.#expected.subarray(from, from + length);
    if (expected.compare(bytes.subarray(at, at + length)) !== 0) {
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
    if (size <= bytes.length - at) {
      this.#wholeFile(entry, bytes.subarray(at, at + size), at);
      this.#expect(ZEROS, paddedSize(size) - size);
      return size;
    }
    this.#openFile(entry);
    return 0;
  }

  /** Gives content to the open file. */
  #fill(bytes: Uint8Array, at: number): number {
    const file = this.#open!;
    const size = file.entry.size!;
    const piece = bytes.subarray(0, size - file.done);
    this.#append(file, piece, at);
    if (file.done === size) {
      this.#closeFile(file);
      if (this.#options.whole) this.#expect(ZEROS, paddedSize(size) - size);
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
        at = from + this.#fill(bytes.subarray(from - offset), from - offset);
        continue;
      }
      const entry = this.#queue.next;
      if (entry === undefined) return;
      if (entry.type === "file" && entry.size! > 0) {
        if (entry.offset! >= end) return;
        if (entry.offset! < at) throw damaged("The archive's files are not in order.");
        this.#openFile(entry);
      } else if (entry.type === "file") {
        this.#wholeFile(entry, ZEROS.subarray(0, 0), 0);
      } else {
        this.#make(entry);
      }
      this.#queue.take();
    }
  }

  #make(entry: ContentsEntry): void {
    switch (entry.type) {
      case "directory":
        this.#directories += 1;
        this.#folders.push(entry);
        if (entry.path !== "." && this.#maker !== undefined) this.#makeFolder(this.#maker, entry);
        break;
      case "symlink":
        this.#links += 1;
        this.#symlinks.push(entry);
        break;
      case "hardlink":
        this.#links += 1;
        this.#hardLinks.push(entry);
        break;
      case "file":
        break;
    }
  }

  /** A file whose content is all there, `at` where the piece in hand has it. */
  #wholeFile(entry: ContentsEntry, content: Uint8Array, at: number): void {
    if (hash("sha256", content, "hex") !== entry.sha256) throw wrongContent(entry.path);
    if (this.#maker !== undefined) {
      if (this.#options.onPart !== undefined) {
        this.#options.onPart({ entry, at, length: content.length, position: 0 });
      } else {
        const fd = this.#create(entry);
        try {
          this.#maker.write(fd, entry, content, 0);
          this.#maker.finish(fd, entry);
        } finally {
          fs.closeSync(fd);
        }
      }
    }
    this.#files += 1;
    this.#bytes += content.length;
  }

  #openFile(entry: ContentsEntry): void {
    const elsewhere = this.#options.onPart !== undefined;
    const fd = elsewhere || this.#maker === undefined ? undefined : this.#create(entry);
    const digest = elsewhere ? undefined : createHash("sha256");
    this.#open = { entry, fd, digest, done: 0 };
  }

  #append(file: OpenFile, piece: Uint8Array, at: number): void {
    file.digest?.update(piece);
    const { entry, done: position } = file;
    this.#options.onPart?.({ entry, at, length: piece.length, position });
    if (file.fd !== undefined) this.#maker!.write(file.fd, file.entry, piece, file.done);
    file.done += piece.length;
  }

  #closeFile(file: OpenFile): void {
    const { digest, entry } = file;
    if (digest !== undefined && digest.digest("hex") !== entry.sha256)
      throw wrongContent(entry.path);
    if (file.fd !== undefined) {
      this.#maker!.finish(file.fd, entry);
      fs.closeSync(file.fd);
    }
    this.#open = undefined;
    this.#files += 1;
    this.#bytes += file.done;
  }

  /** A new file; in a selection, a folder may come to be before its own entry. */
  #create(entry: ContentsEntry): number {
    try {
      return this.#maker!.create(entry);
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || this.#options.whole) {
        throw cannotMake(entry.path, error);
      }
      this.#makeParents(entry.path);
      return this.#maker!.create(entry);
    }
  }

  #makeFolder(maker: FileMaker, entry: ContentsEntry): void {
    if (this.#early.delete(entry.path)) return;
    const location = maker.location(entry.path);
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
        fs.mkdirSync(this.#maker!.location(parent), { mode: 0o700 });
        this.#early.add(parent);
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw cannotMake(parent, error);
      }
    }
  }

  #makeHardLink(maker: FileMaker, entry: ContentsEntry): void {
    const from = maker.location(entry.target!);
    const to = maker.location(entry.path);
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
          maker.modeOf(entry, () => fs.statSync(to)),
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

  #makeSymlink(maker: FileMaker, entry: ContentsEntry): void {
    const location = maker.location(entry.path);
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

  #finishFolder(maker: FileMaker, entry: ContentsEntry): void {
    const location = maker.location(entry.path);
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

function damaged(message: string): RestbackupError {
  return new RestbackupError("damaged", message);
}

export function linkToNothing({ path }: ContentsEntry): RestbackupError {
  return damaged(`The archive links ${printable(path)} to something it does not hold.`);
}
