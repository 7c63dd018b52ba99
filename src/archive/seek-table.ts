import { RestbackupError } from "../errors.ts";

/**
 * The zstd seekable format's seek table (zstd/contrib/seekable_format/zstd_seekable_compression_format.md,
 * version 0.1.0): a skippable frame at the very end that gives each frame's compressed and
 * decompressed size. `zstd -d` skips it.
 */

const SKIPPABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const ENTRY_SIZE = 8;
/** Number_Of_Frames, Seek_Table_Descriptor, Seekable_Magic_Number. */
export const SEEK_TABLE_FOOTER = 9;
const SKIPPABLE_HEADER = 8;

export interface SeekFrame {
  /** Bytes in the archive. */
  readonly compressed: number;
  /** Bytes of tar stream in it; 0 for a skippable frame. */
  readonly decompressed: number;
}

/** Gathers frame sizes without an object a frame. */
export class SeekTableWriter {
  #entries = Buffer.allocUnsafe(ENTRY_SIZE * 1024);
  #count = 0;

  add(compressed: number, decompressed: number): void {
    if ((this.#count + 1) * ENTRY_SIZE > this.#entries.length) {
      const larger = Buffer.allocUnsafe(this.#entries.length * 2);
      this.#entries.copy(larger);
      this.#entries = larger;
    }
    this.#entries.writeUInt32LE(compressed, this.#count * ENTRY_SIZE);
    this.#entries.writeUInt32LE(decompressed, this.#count * ENTRY_SIZE + 4);
    this.#count += 1;
  }

  finish(): Buffer {
    const body = this.#count * ENTRY_SIZE;
    const frame = Buffer.alloc(SKIPPABLE_HEADER + body + SEEK_TABLE_FOOTER);
    frame.writeUInt32LE(SKIPPABLE_MAGIC, 0);
    frame.writeUInt32LE(body + SEEK_TABLE_FOOTER, 4);
    this.#entries.copy(frame, SKIPPABLE_HEADER, 0, body);
    frame.writeUInt32LE(this.#count, SKIPPABLE_HEADER + body);
    frame.writeUInt32LE(SEEKABLE_MAGIC, SKIPPABLE_HEADER + body + 5);
    return frame;
  }
}

/** Length of the whole seek-table frame, read from its last {@link SEEK_TABLE_FOOTER} bytes. */
export function seekTableSize(footer: Uint8Array): number {
  const view = Buffer.from(footer.buffer, footer.byteOffset, footer.byteLength);
  if (view.length !== SEEK_TABLE_FOOTER || view.readUInt32LE(5) !== SEEKABLE_MAGIC) {
    throw new RestbackupError("damaged", "The archive does not end in a seek table.", {
      hint: "Either it is not a restbackup archive or its end is missing; `age -d | zstd -d | tar x` may still read a part.",
    });
  }
  if (view[4] !== 0) {
    throw new RestbackupError(
      "damaged",
      "The archive's seek table has a form this version does not know.",
    );
  }
  return SKIPPABLE_HEADER + view.readUInt32LE(0) * ENTRY_SIZE + SEEK_TABLE_FOOTER;
}

/** The frames of an archive, by position. */
export class SeekTable {
  readonly #entries: Buffer;
  readonly count: number;

  /** @param frame the whole seek-table frame. Throws `damaged`. */
  constructor(frame: Buffer) {
    if (
      frame.length < SKIPPABLE_HEADER + SEEK_TABLE_FOOTER ||
      frame.readUInt32LE(0) !== SKIPPABLE_MAGIC ||
      frame.readUInt32LE(4) !== frame.length - SKIPPABLE_HEADER ||
      seekTableSize(frame.subarray(frame.length - SEEK_TABLE_FOOTER)) !== frame.length
    ) {
      throw new RestbackupError("damaged", "The archive's seek table contradicts itself.");
    }
    this.#entries = frame.subarray(SKIPPABLE_HEADER, frame.length - SEEK_TABLE_FOOTER);
    this.count = this.#entries.length / ENTRY_SIZE;
  }

  frame(index: number): SeekFrame {
    return {
      compressed: this.#entries.readUInt32LE(index * ENTRY_SIZE),
      decompressed: this.#entries.readUInt32LE(index * ENTRY_SIZE + 4),
    };
  }
}
