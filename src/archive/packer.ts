import { createHash, hash } from "node:crypto";
import fs from "node:fs";
import { ioError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import {
  type ContentsEntry,
  type ContentsWarning,
  type EntryFields,
  MAX_MTIME,
} from "./contents.ts";
import { NO_DIGEST, WantedDigests } from "./digests.ts";
import { digestPlace, entryLineMost, putEntryLine } from "./entry-line.ts";
import { pathFromBytes } from "./path-bytes.ts";
import type { Selection } from "./selection.ts";
import { BLOCK, paddedSize, TRAILER, tarHeader, USUAL_HEADER } from "./tar-header.ts";
import { type Found, walk } from "./walk.ts";

/** Where a packer's output goes; calls block until there is room. */
export interface PackSink {
  /** A buffer for the next frame of the tar stream. */
  nextFrame(): Uint8Array;
  /** The buffer last given, filled with this many bytes; digests to be made of them (`digests.ts`). */
  frame(length: number, wanted: Uint32Array): void;
  /** The next part of the contents list; after the frames with what it tells of. Its lines go with it. */
  segment(segment: PackedSegment): void;
  warning(warning: ContentsWarning): void;
}

/** JSON lines of a part of the contents list. */
export interface PackedSegment {
  /** From 0. */
  readonly number: number;
  readonly lines: Uint8Array;
  readonly entries: number;
  readonly start: number;
  readonly first: string;
}

export interface PackTotals {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  readonly tarSize: number;
}

/** Bytes of JSON lines in a segment, about. */
const SEGMENT_LENGTH = 512 * 2 ** 10;
/** Below it a hole is not worth remembering, and file systems that store small files inline abound. */
const SPARSE_MINIMUM = 64 * 2 ** 10;
/** Bytes of a big file read before they are hashed: little enough to be in the cache still. */
const READ_AT_ONCE = 128 * 2 ** 10;
/** Files below this size are read in one go, before they are looked at. */
const SMALL = 64 * 2 ** 10;
/** Length of a file's header, nearly always: its time has a fraction, which takes a PAX record. */
const HEADER = 3 * BLOCK;
/** Left in a frame, a small file fits with its header, even a long one, and padding. */
const ROOM = SMALL + USUAL_HEADER + BLOCK;
/** A file whose change is older than this (milliseconds) was not changed just now, whatever the clocks' grain. */
const SETTLED = 2000;
/** Of empty files, which are many. */
const OF_NOTHING = hash("sha256", "", "hex");
const BIGINT = { bigint: true } as const;
/** Fails on a link put in a file's place, and does not wait for a writer of a FIFO. */
const OPEN_FLAGS =
  fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

/**
 * Reads a tree and writes it as one tar stream, cut into frames, with the contents list beside it.
 * Synchronous: made to run in a worker of its own, over buffers that are used again and again.
 */
export class Packer {
  readonly #sink: PackSink;
  #frame: Uint8Array;
  #filled = 0;
  readonly #small = Buffer.alloc(SMALL);
  readonly #header = Buffer.alloc(USUAL_HEADER);
  /** Length of the tar stream so far. */
  #position = 0;
  /** Lines of the segment begun, written down at once: kept as strings, the collector would move them. */
  #lines = Buffer.alloc(2 * SEGMENT_LENGTH);
  #linesLength = 0;
  #lineCount = 0;
  #segmentNumber = 0;
  #segmentStart = 0;
  #segmentFirst = "";
  /** Those that are complete but for digests of the frame being filled. */
  #segments: PackedSegment[] = [];
  readonly #wanted = new WantedDigests();
  /** Content seen under several names: device and inode to the path that holds it. */
  readonly #linked = new Map<string, string>();
  /** What paths begin with below a folder that was not taken. */
  #lost: string | undefined;
  #files = 0;
  #directories = 0;
  #links = 0;
  #bytes = 0;

  constructor(sink: PackSink) {
    this.#sink = sink;
    this.#frame = sink.nextFrame();
  }

  /** Throws `io` for what cannot be read: a backup that silently lacks files is none. */
  pack(selection: Selection): PackTotals {
    const found = walk(selection, (path, error) => {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") {
        this.#warn(path, "the folder vanished while being read");
      } else {
        throw unreadable(path, error);
      }
    });
    for (const item of found) {
      if (this.#lost !== undefined && item.path.startsWith(this.#lost)) continue;
      this.#lost = undefined;
      const taken = this.#take(item);
      // What lies below a folder that is not in the archive cannot be either.
      if (!taken && item.kind === "directory") {
        item.lost = true;
        this.#lost = item.path === "." ? "" : `${item.path}/`;
      }
    }
    this.#write(TRAILER);
    this.#endSegment();
    if (this.#filled > 0) this.#handOn();
    else for (const segment of this.#segments) this.#sink.segment(segment);
    return {
      files: this.#files,
      directories: this.#directories,
      links: this.#links,
      bytes: this.#bytes,
      tarSize: this.#position,
    };
  }

  /** Packs what is found there, or warns that it is no longer: then it returns false. */
  #take(item: Found): boolean {
    try {
      return this.#pack(item);
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") {
        this.#warn(item.path, "vanished before it was read");
      } else if (isChange(code, item.kind)) {
        this.#warn(item.path, "became something else before it was read");
      } else {
        throw unreadable(item.path, error);
      }
      return false;
    }
  }

  #pack(item: Found): boolean {
    switch (item.kind) {
      case "file":
        this.#file(item);
        break;
      case "directory":
        return this.#directory(item);
      case "symlink":
        this.#symlink(item);
        break;
      case "store":
        this.#warn(item.path, "left out: it is the store this backup goes to");
        break;
      case "other":
        this.#warn(item.path, "left out: neither file, folder nor symbolic link");
        break;
    }
    return true;
  }

  #directory({ path, location }: Found): boolean {
    const stat = fs.lstatSync(location, BIGINT);
    if (!stat.isDirectory()) {
      this.#warn(path, "became something else before it was read");
      return false;
    }
    this.#entry({ path, type: "directory", ...metadata(stat) });
    this.#directories += 1;
    return true;
  }

  #symlink({ path, location }: Found): void {
    const stat = fs.lstatSync(location, BIGINT);
    const target = pathFromBytes(fs.readlinkSync(location, "buffer"));
    this.#entry({ path, type: "symlink", ...metadata(stat), mode: 0o777, target });
    this.#links += 1;
  }

  #file({ path, location }: Found): void {
    const fd = fs.openSync(location, OPEN_FLAGS);
    try {
      const started = Date.now();
      // To where its content belongs, if its header is as nearly all are.
      const inFrame = this.#frame.length - this.#filled >= ROOM;
      const into = inFrame ? this.#frame : this.#small;
      const at = inFrame ? this.#filled + HEADER : 0;
      const read = readStart(fd, into, at);
      const stat = fs.fstatSync(fd, BIGINT);
      // As isFile() does, without making a BigInt for each step.
      if ((Number(stat.mode) & fs.constants.S_IFMT) !== fs.constants.S_IFREG) {
        this.#warn(path, "became something else before it was read");
      } else if (stat.nlink === 1n || !this.#hardLink(path, stat)) {
        // One look is enough when it shows that nothing had changed since before the reading.
        const settled = Number(stat.ctimeMs) < started - SETTLED;
        if (read === Number(stat.size) && read < SMALL && settled) {
          this.#smallContent(path, stat, into, at, read);
        } else {
          this.#content(path, fd, stat);
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  /** A file that was read whole; its content lies in `into`. */
  #smallContent(
    path: string,
    stat: fs.BigIntStats,
    into: Uint8Array,
    at: number,
    size: number,
  ): void {
    const start = this.#position;
    const entry = fileFields(path, stat, size);
    const header = tarHeader(entry, this.#header);
    entry.offset = start + header.length;
    this.#files += 1;
    this.#bytes += size;
    if (into === this.#frame && header.length <= USUAL_HEADER) {
      const begin = this.#filled + header.length;
      if (begin !== at) into.copyWithin(begin, at, at + size);
      into.set(header, this.#filled);
      const end = begin + paddedSize(size);
      into.fill(0, begin + size, end);
      entry.sha256 = size === 0 ? OF_NOTHING : NO_DIGEST;
      const segment = this.#segmentNumber;
      const lineEnd = this.#record(start, entry);
      if (size > 0) this.#wanted.add(segment, digestPlace(lineEnd, entry.offset), begin, size);
      this.#advance(end - this.#filled);
    } else {
      const read = into.subarray(at, at + size);
      const content = into === this.#small ? read : Buffer.from(read);
      entry.sha256 = hash("sha256", content, "hex");
      this.#write(header);
      this.#write(content);
      this.#pad(size);
      this.#record(start, entry);
    }
  }

  /** Packs a further name of content that is in the archive; false when this is the first. */
  #hardLink(path: string, stat: fs.BigIntStats): boolean {
    const identity = `${stat.dev}:${stat.ino}`;
    const target = this.#linked.get(identity);
    if (target === undefined) {
      this.#linked.set(identity, path);
      return false;
    }
    this.#entry({ path, type: "hardlink", ...metadata(stat), target });
    this.#links += 1;
    return true;
  }

  #content(path: string, fd: number, before: fs.BigIntStats): void {
    const size = Number(before.size);
    const entry = fileFields(path, before, size);
    const start = this.#position;
    this.#write(tarHeader(entry, this.#header));
    entry.offset = this.#position;

    const digest = createHash("sha256");
    let shrank = false;
    for (let done = 0; done < size; ) {
      const length = Math.min(size - done, this.#frame.length - this.#filled, READ_AT_ONCE);
      const piece = this.#frame.subarray(this.#filled, this.#filled + length);
      const read = shrank ? 0 : readFully(fd, piece, done);
      if (read < length) {
        shrank = true;
        piece.fill(0, read);
      }
      digest.update(piece);
      this.#advance(length);
      done += length;
    }
    entry.sha256 = digest.digest("hex");
    this.#pad(size);

    const after = fs.fstatSync(fd, BIGINT);
    let changed: ContentsEntry["changed"];
    if (shrank) changed = "shrank";
    else if (after.size > before.size) changed = "grew";
    else if (after.mtimeNs !== before.mtimeNs || after.size !== before.size) changed = "modified";
    entry.changed = changed;
    if (size >= SPARSE_MINIMUM && before.blocks * 512n < before.size) entry.sparse = true;
    this.#record(start, entry);
    this.#files += 1;
    this.#bytes += size;
    if (changed === "shrank") this.#warn(path, "shrank while being read; its missing end is zeros");
    else if (changed === "grew")
      this.#warn(path, "grew while being read; what came later is not in it");
    else if (changed === "modified") this.#warn(path, "was modified while being read");
  }

  /** An entry without content. */
  #entry(entry: EntryFields): void {
    const start = this.#position;
    this.#write(tarHeader(entry, this.#header));
    this.#record(start, entry);
  }

  /** Returns where the line ends in its segment. */
  #record(start: number, entry: EntryFields): number {
    if (this.#lineCount === 0) {
      this.#segmentStart = start;
      this.#segmentFirst = entry.path;
    }
    const most = this.#linesLength + entryLineMost(entry);
    if (most > this.#lines.length) this.#lines = Buffer.concat([this.#lines], 2 * most);
    this.#linesLength = putEntryLine(this.#lines, this.#linesLength, entry);
    this.#lineCount += 1;
    const end = this.#linesLength;
    if (end >= SEGMENT_LENGTH) this.#endSegment();
    return end;
  }

  #endSegment(): void {
    if (this.#lineCount === 0) return;
    this.#segments.push({
      number: this.#segmentNumber,
      lines: new Uint8Array(this.#lines.subarray(0, this.#linesLength)),
      entries: this.#lineCount,
      start: this.#segmentStart,
      first: this.#segmentFirst,
    });
    this.#segmentNumber += 1;
    this.#linesLength = 0;
    this.#lineCount = 0;
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length <= this.#frame.length - this.#filled) {
      this.#frame.set(bytes, this.#filled);
      this.#advance(bytes.length);
      return;
    }
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + this.#frame.length - this.#filled);
      this.#frame.set(part, this.#filled);
      this.#advance(part.length);
      from += part.length;
    }
  }

  /** Zeros from the end of content of this size to the end of its last block. */
  #pad(size: number): void {
    for (let left = paddedSize(size) - size; left > 0; ) {
      const length = Math.min(left, this.#frame.length - this.#filled);
      this.#frame.fill(0, this.#filled, this.#filled + length);
      this.#advance(length);
      left -= length;
    }
  }

  /** Counts bytes put into the frame, and hands a full frame on. */
  #advance(length: number): void {
    this.#filled += length;
    this.#position += length;
    if (this.#filled === this.#frame.length) {
      this.#handOn();
      this.#frame = this.#sink.nextFrame();
      this.#filled = 0;
    }
  }

  #handOn(): void {
    this.#sink.frame(this.#filled, this.#wanted.take());
    for (const segment of this.#segments) this.#sink.segment(segment);
    this.#segments = [];
  }

  #warn(path: string, problem: string): void {
    this.#sink.warning({ path, problem });
  }
}

/** What opening or reading says of something that is of another kind by now. */
function isChange(code: string | undefined, kind: Found["kind"]): boolean {
  return code === "ELOOP" || code === "ENXIO" || (code === "EINVAL" && kind === "symlink");
}

function unreadable(path: string, error: unknown): Error {
  if (systemCode(error) === "ENAMETOOLONG") {
    return ioError(
      `Cannot read ${printable(path)}`,
      error,
      "Its path is longer than this system allows: leave it out with an exclude, or back up a folder further down.",
    );
  }
  return ioError(
    `Cannot read ${printable(path)}`,
    error,
    "Make it readable for this user, or leave it out with an exclude.",
  );
}

/** Reads until the buffer is full or the file ends; the number of bytes read. */
function readFully(fd: number, into: Uint8Array, position: number): number {
  let read = 0;
  while (read < into.length) {
    const count = fs.readSync(fd, into, read, into.length - read, position + read);
    if (count === 0) break;
    read += count;
  }
  return read;
}

/** What one read gives, put `at`; 0 where the next look will show that it is no file any more. */
function readStart(fd: number, into: Uint8Array, at: number): number {
  try {
    return fs.readSync(fd, into, at, SMALL, 0);
  } catch (error) {
    if (fs.fstatSync(fd).isFile()) throw error;
    return 0;
  }
}

/** An entry whose further fields are still to come. */
type Unfinished = { -readonly [K in keyof EntryFields]: EntryFields[K] };

/** One shape for all files: what is made of it is compiled for that. */
function fileFields(
  path: string,
  stat: fs.BigIntStats,
  size: number,
  sha256?: string | undefined,
): Unfinished {
  const { mode, mtime, uid, gid } = metadata(stat);
  return {
    path,
    type: "file",
    mode,
    mtime,
    uid,
    gid,
    size,
    sha256,
    offset: undefined,
    target: undefined,
    sparse: undefined,
    changed: undefined,
  };
}

function metadata(stat: fs.BigIntStats): Pick<EntryFields, "mode" | "mtime" | "uid" | "gid"> {
  const uid = Number(stat.uid);
  const gid = Number(stat.gid);
  return {
    mode: Number(stat.mode) & 0o7777,
    mtime: decimalSeconds(tellable(stat.mtimeNs)),
    uid: uid === 0 ? undefined : uid,
    gid: gid === 0 ? undefined : gid,
  };
}

const LATEST = BigInt(MAX_MTIME) * 1_000_000_000n;

/** Some file systems hold times that no calendar reaches, nor a restore's reader takes. */
function tellable(nanoseconds: bigint): bigint {
  if (nanoseconds > LATEST) return LATEST;
  return nanoseconds < -LATEST ? -LATEST : nanoseconds;
}

const ZERO = 0x30;

/** Nanoseconds as decimal seconds without trailing zeros. */
export function decimalSeconds(nanoseconds: bigint): string {
  if (nanoseconds < 0n) return `-${decimalSeconds(-nanoseconds)}`;
  // Digits, not divisions: this is done for every file.
  const digits = String(nanoseconds).padStart(10, "0");
  const point = digits.length - 9;
  let end = digits.length;
  while (end > point && digits.charCodeAt(end - 1) === ZERO) end -= 1;
  if (end === point) return digits.slice(0, point);
  return `${digits.slice(0, point)}.${digits.slice(point, end)}`;
}
