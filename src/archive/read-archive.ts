import { createHash } from "node:crypto";
import { type ByteRange, groupsOf, piecesOf, readBytes } from "../byte-range.ts";
import type { Authentication } from "../encryption/authentication-record.ts";
import { RestbackupError } from "../errors.ts";
import type { ContentsEntry } from "./contents.ts";
import {
  CONTENTS_FOOTER,
  CONTENTS_MAGIC,
  indexDigest,
  parseAuthenticationBytes,
  parseEntries,
  parseFooter,
  parseIndex,
  type Segment,
  SKIPPABLE_HEADER,
  type StoredIndex,
  skippableHeader,
} from "./contents-list.ts";
import { comparePaths, EntryOrder } from "./entry-order.ts";
import { wrongContent } from "./file-maker.ts";
import { decompressFrame, takeContent } from "./frame.ts";
import { readFramePart } from "./frame-part.ts";
import { SEEK_TABLE_FOOTER, type SeekFrame, SeekTable, seekTableSize } from "./seek-table.ts";

/** Fetched at once from the end: seek table and index of most archives, and small lists. */
const TAIL = 64 * 2 ** 10;
/** Segments of the list fetched in one request, about. */
const SEGMENT_BATCH = 4 * 2 ** 20;
/** Frames between two wanted ones are fetched along when they are no longer than this. */
const MAX_GAP = 512 * 2 ** 10;
/** Bytes of one frame of content: the most that one may hold, if it did not compress, and some. */
const MAX_COMPRESSED = 65 * 2 ** 20;
/** Frames being decompressed at once. */
const PARALLEL = 3;

/** A part of the tar stream. */
export interface TarRange {
  readonly start: number;
  readonly end: number;
}

/** One decompressed frame. */
export interface TarPiece {
  /** Position in the tar stream. */
  readonly offset: number;
  readonly content: Buffer;
}

/** What was read from the end of an archive; goes to other threads as it is. */
export interface OpenedArchive {
  /** The seek-table frame. */
  readonly table: Uint8Array;
  /** The last bytes of the stream. */
  readonly tail: Uint8Array;
  readonly index: StoredIndex;
  /** SHA-256 of the index. */
  readonly digest: Uint8Array;
  readonly authentication: Authentication;
}

/**
 * An archive's zstd stream, read from its end: seek table, contents list, then whatever frames are
 * wanted. Knows nothing of files or stores.
 */
export class ArchiveReader {
  readonly index: StoredIndex;
  /** What {@link authentication} vouches for: through it, every byte this class hands out. */
  readonly digest: Buffer;
  readonly authentication: Authentication;
  /** What it reads from, and what another thread needs to read on without opening it again. */
  readonly source: ByteRange;
  readonly opened: OpenedArchive;
  readonly #stream: ByteRange;
  readonly #table: SeekTable;

  /** Reads on in what was opened, here or in another thread; the source holds the same bytes. */
  constructor(source: ByteRange, opened: OpenedArchive) {
    this.source = source;
    this.opened = opened;
    this.index = opened.index;
    this.digest = Buffer.from(opened.digest);
    this.authentication = opened.authentication;
    this.#stream = withTail(source, Buffer.from(opened.tail));
    this.#table = new SeekTable(Buffer.from(opened.table));
  }

  /** Reads what stands at the end. Throws `damaged`, also for what is no archive of this format. */
  static async open(source: ByteRange): Promise<ArchiveReader> {
    const tail = await readBytes(source, Math.max(0, source.size - TAIL), source.size);
    const stream = withTail(source, tail);
    if (stream.size < SEEK_TABLE_FOOTER) throw truncated();
    const footer = await readBytes(stream, stream.size - SEEK_TABLE_FOOTER, stream.size);
    const tableStart = stream.size - seekTableSize(footer);
    if (tableStart < 0) throw truncated();
    const tableBytes = await readBytes(stream, tableStart, stream.size);
    const table = new SeekTable(tableBytes);
    const sizes = checkTable(table, tableStart);

    const contents = table.frame(table.count - 1).compressed;
    const contentsStart = tableStart - contents;
    if (contents < SKIPPABLE_HEADER + CONTENTS_FOOTER) throw contradiction();
    const header = await readBytes(stream, contentsStart, contentsStart + SKIPPABLE_HEADER);
    if (
      header.readUInt32LE(0) !== CONTENTS_MAGIC ||
      header.readUInt32LE(4) !== contents - SKIPPABLE_HEADER
    ) {
      throw contradiction();
    }
    const lengths = parseFooter(await readBytes(stream, tableStart - CONTENTS_FOOTER, tableStart));
    const authenticationStart = tableStart - CONTENTS_FOOTER - lengths.authentication;
    const indexStart = authenticationStart - lengths.index;
    if (indexStart < contentsStart + SKIPPABLE_HEADER) throw contradiction();
    const indexBytes = await readBytes(stream, indexStart, authenticationStart);
    const index = parseIndex(indexBytes);
    if (index.tarSize !== sizes.decompressed) throw contradiction();
    if (index.totals.bytes > index.tarSize) throw contradiction();
    if (index.segments.some(({ offset, size }) => offset + size > indexStart))
      throw contradiction();
    const authentication = parseAuthenticationBytes(
      await readBytes(stream, authenticationStart, authenticationStart + lengths.authentication),
    );
    const digest = indexDigest(indexBytes);
    return new ArchiveReader(source, { table: tableBytes, tail, index, digest, authentication });
  }

  /** The contents list's JSON lines, segment by segment, each checked against the index. */
  async *segments(
    segments: readonly Segment[] = this.index.segments,
  ): AsyncGenerator<{ readonly lines: Buffer; readonly segment: Segment }> {
    for (let from = 0; from < segments.length; ) {
      // As many as lie one after the other, up to a few megabytes, in one request.
      const start = segments[from]!.offset;
      let to = from + 1;
      let end = start + segments[from]!.size;
      for (; to < segments.length && end - start < SEGMENT_BATCH; to++) {
        if (segments[to]!.offset !== end) break;
        end += segments[to]!.size;
      }
      const bytes = await readBytes(this.#stream, start, end);
      for (const segment of segments.slice(from, to)) {
        const frame = bytes.subarray(segment.offset - start, segment.offset - start + segment.size);
        if (indexDigest(frame).toString("hex") !== segment.sha256) {
          throw new RestbackupError(
            "damaged",
            "A part of the contents list is not what was written.",
          );
        }
        yield { lines: await decompressFrame(frame, segment.length), segment };
      }
      from = to;
    }
  }

  /** The entry of this path, from the one part of the contents list that can hold it. */
  async find(path: string): Promise<ContentsEntry | undefined> {
    const { segments } = this.index;
    // The last part that does not begin after it.
    let [low, high] = [0, segments.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePaths(segments[middle]!.first, path) <= 0) low = middle + 1;
      else high = middle;
    }
    for await (const { lines, segment } of this.segments(
      segments.slice(Math.max(low - 1, 0), low),
    )) {
      for (const entry of parseEntries(lines, segment)) if (entry.path === path) return entry;
    }
    return undefined;
  }

  /**
   * The content of a file, read from the frames that hold it. Its digest is checked when it has been
   * read, so the last piece only comes when it was right: throws `damaged` otherwise.
   */
  async *content(entry: ContentsEntry): AsyncGenerator<Buffer> {
    const start = entry.offset!;
    const end = start + entry.size!;
    const digest = createHash("sha256");
    let held: Buffer | undefined;
    let length = 0;
    for await (const part of this.#parts(start, end)) {
      digest.update(part);
      length += part.length;
      if (held !== undefined) yield held;
      held = part;
    }
    if (length !== entry.size || digest.digest("hex") !== entry.sha256) {
      throw wrongContent(entry.path);
    }
    if (held !== undefined) yield held;
  }

  /** A part of the tar stream; of a single frame only what is needed is read. */
  async *#parts(start: number, end: number): AsyncGenerator<Buffer> {
    if (start === end) return;
    const frame = this.#frameAt(start);
    if (frame !== undefined && end <= frame.tarStart + frame.decompressed) {
      yield await readFramePart(this.#stream, frame, start - frame.tarStart, end - frame.tarStart);
      return;
    }
    for await (const { offset, content } of this.frames([{ start, end }])) {
      yield content.subarray(Math.max(start - offset, 0), Math.max(end - offset, 0));
    }
  }

  #frameAt(tarPosition: number): (SeekFrame & { at: number; tarStart: number }) | undefined {
    let [at, tarStart] = [0, 0];
    for (let index = 0; index < this.#table.count; index++) {
      const frame = this.#table.frame(index);
      if (tarPosition < tarStart + frame.decompressed) return { ...frame, at, tarStart };
      at += frame.compressed;
      tarStart += frame.decompressed;
    }
    return undefined;
  }

  /** All entries in archive order, which is checked. */
  async *entries(): AsyncGenerator<ContentsEntry> {
    const order = new EntryOrder();
    for await (const { lines, segment } of this.segments()) {
      for (const entry of parseEntries(lines, segment)) {
        order.check(entry);
        yield entry;
      }
    }
  }

  /**
   * The frames that hold the given ranges, which are in order; all frames when none are given.
   * Decompressed a few at a time, yielded in order.
   */
  async *frames(ranges?: readonly TarRange[]): AsyncGenerator<TarPiece> {
    if (ranges === undefined) await this.#checkSkipped();
    const pending: Promise<TarPiece>[] = [];
    try {
      for await (const { offset, compressed, decompressed } of this.#compressedFrames(ranges)) {
        const piece = takeContent(compressed, decompressed).then((content) => ({
          offset,
          content,
        }));
        piece.catch(() => {});
        pending.push(piece);
        if (pending.length >= PARALLEL) yield await pending.shift()!;
      }
      while (pending.length > 0) yield await pending.shift()!;
    } finally {
      await Promise.allSettled(pending);
    }
  }

  async *#compressedFrames(
    ranges: readonly TarRange[] | undefined,
  ): AsyncGenerator<{ offset: number; compressed: Buffer; decompressed: number }> {
    for (const run of this.#runs(ranges)) {
      const pieces = new Gatherer(groupsOf(this.#stream, run.start, run.end));
      let { first, tarStart } = run;
      try {
        for (let position = run.start; position < run.end; first++) {
          const { compressed, decompressed } = this.#table.frame(first);
          const bytes = await pieces.take(compressed);
          if (decompressed > 0) yield { offset: tarStart, compressed: bytes, decompressed };
          tarStart += decompressed;
          position += compressed;
        }
      } finally {
        await pieces.close();
      }
    }
  }

  /**
   * Frames said to hold nothing are skipped by `zstd -d` too, so that it and this class read one and
   * the same tar. There is one for every 16 MiB of contents list.
   */
  async #checkSkipped(): Promise<void> {
    let position = 0;
    let left = this.index.segments.length + 1;
    for (let frame = 0; frame < this.#table.count; frame++) {
      const { compressed, decompressed } = this.#table.frame(frame);
      if (decompressed === 0) {
        if (left-- === 0 || compressed < SKIPPABLE_HEADER) throw contradiction();
        const header = await readBytes(this.#stream, position, position + SKIPPABLE_HEADER);
        if (!header.equals(skippableHeader(compressed - SKIPPABLE_HEADER))) throw contradiction();
      }
      position += compressed;
    }
  }

  /** Stretches of the stream to fetch in one request each. */
  *#runs(
    ranges: readonly TarRange[] | undefined,
  ): Generator<{ first: number; start: number; end: number; tarStart: number }> {
    let run: { first: number; start: number; end: number; tarStart: number } | undefined;
    let position = 0;
    let tarPosition = 0;
    let at = 0;
    for (let frame = 0; frame < this.#table.count; frame++) {
      const { compressed, decompressed } = this.#table.frame(frame);
      const tarEnd = tarPosition + decompressed;
      if (ranges !== undefined) while (at < ranges.length && ranges[at]!.end <= tarPosition) at++;
      const wanted =
        decompressed > 0 &&
        (ranges === undefined || (at < ranges.length && ranges[at]!.start < tarEnd));
      if (wanted) {
        if (run !== undefined && position - run.end > MAX_GAP) {
          yield run;
          run = undefined;
        }
        run ??= { first: frame, start: position, end: position, tarStart: tarPosition };
        run.end = position + compressed;
      }
      position += compressed;
      tarPosition = tarEnd;
    }
    if (run !== undefined) yield run;
  }
}

/** Cuts a stream of pieces into buffers of given lengths. */
class Gatherer {
  readonly #groups: AsyncIterator<Iterable<Uint8Array>>;
  #pieces: Iterator<Uint8Array> = [][Symbol.iterator]();
  #rest: Uint8Array = Buffer.alloc(0);

  constructor(groups: AsyncIterable<Iterable<Uint8Array>>) {
    this.#groups = groups[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    const whole = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length; ) {
      if (this.#rest.length === 0) {
        const piece = this.#pieces.next();
        if (piece.done === true) {
          const group = await this.#groups.next();
          if (group.done === true) throw truncated();
          this.#pieces = group.value[Symbol.iterator]();
          continue;
        }
        this.#rest = piece.value;
      }
      const part = this.#rest.subarray(0, length - filled);
      whole.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return whole;
  }

  /** Lets the source close its file or connection, whether or not it was read to its end. */
  async close(): Promise<void> {
    this.#pieces.return?.();
    await this.#groups.return?.();
  }
}

/** Keeps the end of a source at hand, so that what stands there costs one request. */
function withTail(source: ByteRange, tail: Buffer): ByteRange {
  const tailStart = source.size - tail.length;
  async function* groups(start: number, end: number): AsyncGenerator<Iterable<Uint8Array>> {
    if (start < tailStart) yield* groupsOf(source, start, Math.min(end, tailStart));
    if (end > tailStart) {
      yield [tail.subarray(Math.max(start - tailStart, 0), end - tailStart)];
    }
  }
  return { size: source.size, groups, read: (start, end) => piecesOf(groups(start, end)) };
}

function checkTable(table: SeekTable, tableStart: number): { decompressed: number } {
  let compressed = 0;
  let decompressed = 0;
  for (let i = 0; i < table.count; i++) {
    const frame = table.frame(i);
    // Fetched into memory whole: no frame of content in this format is that long.
    if (frame.decompressed > 0 && frame.compressed > MAX_COMPRESSED) throw contradiction();
    compressed += frame.compressed;
    decompressed += frame.decompressed;
  }
  if (compressed !== tableStart || table.count === 0) throw contradiction();
  if (table.frame(table.count - 1).decompressed !== 0) throw contradiction();
  return { decompressed };
}

function truncated(): RestbackupError {
  return new RestbackupError("damaged", "The archive ends too early.");
}

function contradiction(): RestbackupError {
  return new RestbackupError(
    "damaged",
    "The archive's seek table and contents list contradict each other.",
  );
}
