import { promisify } from "node:util";
import zlib from "node:zlib";
import { RestbackupError } from "../errors.ts";
import { free } from "../memory.ts";
import { compressed } from "./frame-stream.ts";

/**
 * Independent zstd frames (RFC 8878), compressed and decompressed on libuv's thread pool: as many
 * at once as the caller starts.
 *
 * Always frame by frame: the decompressor of node:zlib stops silently after the first of several.
 */

const decompress = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);

/** What a reader accepts of another writer: beyond it, a frame is refused unread. */
const MAX_FRAME_SIZE = 64 * 2 ** 20;

/** {@link frameInPieces}, in one piece. */
export async function compressFrame(content: Uint8Array, level: number): Promise<Buffer> {
  return Buffer.concat(await frameInPieces(content, level));
}

/**
 * One frame that states its content size. `level` is zstd's, 1 to 19. In pieces, since content that
 * does not compress is not copied: those pieces are views of it.
 */
export async function frameInPieces(content: Uint8Array, level: number): Promise<Buffer[]> {
  if (looksIncompressible(content)) return storedFrame(content);
  const pieces = await compressed(content, level);
  if (pieces.length === 1) return pieces;
  const whole = Buffer.concat(pieces);
  return [whole.subarray(0, frameLength(whole)!)];
}

/** Bytes looked at for a guess, and in how many places. */
const SAMPLE = 32 * 2 ** 10;
const SAMPLES = 8;

/**
 * Whether compressing would be work for nothing, as for media, archives and ciphertext: a sample
 * from all over the content does not get smaller.
 */
function looksIncompressible(content: Uint8Array): boolean {
  if (content.length < 8 * SAMPLE) return false;
  const piece = SAMPLE / SAMPLES;
  const sample = Buffer.allocUnsafe(SAMPLE);
  const step = Math.floor((content.length - piece) / (SAMPLES - 1));
  for (let i = 0; i < SAMPLES; i++) {
    sample.set(content.subarray(i * step, i * step + piece), i * piece);
  }
  if (!looksRandom(sample)) return false;
  const smaller = zlib.zstdCompressSync(sample, {
    params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 },
    pledgedSrcSize: SAMPLE,
    chunkSize: 2 * SAMPLE,
  });
  return smaller.length > SAMPLE * 0.99;
}

/** Of every eighth byte, the entropy in bits below which nothing is random, or compressed. */
const LEAST_ENTROPY = 7.5;
const counts = new Uint32Array(256);

function looksRandom(sample: Uint8Array): boolean {
  counts.fill(0);
  for (let i = 0; i < SAMPLE; i += 8) counts[sample[i]!]! += 1;
  const total = SAMPLE / 8;
  let entropy = 0;
  for (const count of counts) if (count > 0) entropy -= (count / total) * Math.log2(count / total);
  return entropy >= LEAST_ENTROPY;
}

const ZSTD_MAGIC = 0xfd2fb528;

/** Content in a block of a frame, at most (RFC 8878, 3.1.1.2.4). */
const BLOCK_MAX = 128 * 2 ** 10;

/** Header of a stored frame: magic, descriptor, content size in four bytes. */
const STORED_HEADER = 9;
/** Single segment, content size in four bytes, no checksum, no dictionary. */
const STORED_DESCRIPTOR = 0b10100000;
const BLOCK_HEADER = 3;

/** Where a byte of the content lies in a frame of raw blocks, as {@link storedFrame} makes it. */
export function storedPosition(position: number): number {
  return STORED_HEADER + (Math.floor(position / BLOCK_MAX) + 1) * BLOCK_HEADER + position;
}

/** Length of a frame of raw blocks. */
export function storedLength(size: number): number {
  return STORED_HEADER + Math.ceil(size / BLOCK_MAX) * BLOCK_HEADER + size;
}

/** Where the block after that of a byte begins, in the content. */
export function nextStoredBlock(position: number): number {
  return (Math.floor(position / BLOCK_MAX) + 1) * BLOCK_MAX;
}

/** Header of the raw block that begins at `from`: Last_Block, Block_Type 0, Block_Size. */
function rawBlock(from: number, size: number): number {
  const length = Math.min(BLOCK_MAX, size - from);
  return (from + length === size ? 1 : 0) | (length << 3);
}

/** A frame of raw blocks (RFC 8878, 3.1.1), around views of the content. */
function storedFrame(content: Uint8Array): Buffer[] {
  const header = Buffer.allocUnsafe(STORED_HEADER + BLOCK_HEADER);
  header.writeUInt32LE(ZSTD_MAGIC, 0);
  header[4] = STORED_DESCRIPTOR;
  header.writeUInt32LE(content.length, 5);
  const pieces: Buffer[] = [];
  for (let from = 0; from < content.length; from += BLOCK_MAX) {
    const length = Math.min(BLOCK_MAX, content.length - from);
    const before = from === 0 ? header : Buffer.allocUnsafe(BLOCK_HEADER);
    before.writeUIntLE(rawBlock(from, content.length), before.length - BLOCK_HEADER, BLOCK_HEADER);
    pieces.push(before, Buffer.from(content.buffer, content.byteOffset + from, length));
  }
  return pieces;
}

/**
 * {@link decompressFrame}, given the frame's memory: what is stored is put together there, and the
 * memory of any other frame is given back.
 */
export async function takeContent(frame: Buffer, size: number): Promise<Buffer> {
  const stored = storedContent(frame, size);
  if (stored !== undefined) return stored;
  const content = await decompressFrame(frame, size);
  free(frame);
  return content;
}

/** Undefined for a frame that is not just as {@link storedFrame} makes it, which is left as it is. */
function storedContent(frame: Buffer, size: number): Buffer | undefined {
  if (size === 0 || size > MAX_FRAME_SIZE) return undefined;
  if (frame.length !== storedLength(size)) return undefined;
  if (frame.readUInt32LE(0) !== ZSTD_MAGIC || frame[4] !== STORED_DESCRIPTOR) return undefined;
  if (frame.readUInt32LE(5) !== size) return undefined;
  for (let from = 0; from < size; from += BLOCK_MAX) {
    const header = frame.readUIntLE(storedPosition(from) - BLOCK_HEADER, BLOCK_HEADER);
    if (header !== rawBlock(from, size)) return undefined;
  }
  for (let from = 0; from < size; from += BLOCK_MAX) {
    const at = storedPosition(from);
    frame.copyWithin(from, at, at + Math.min(BLOCK_MAX, size - from));
  }
  return frame.subarray(0, size);
}

/** The content of one frame, which must be of exactly this size. Throws `damaged`. */
export async function decompressFrame(frame: Uint8Array, size: number): Promise<Buffer> {
  if (size > MAX_FRAME_SIZE) {
    throw new RestbackupError("damaged", `A frame claims ${size} bytes; the format allows 64 MiB.`);
  }
  if (frameLength(frame) !== frame.length) {
    // The decompressor would leave out what follows, and `zstd -d` would not.
    throw new RestbackupError("damaged", "A part of the archive is not the one frame it claims.");
  }
  let content: Buffer;
  try {
    content = await decompress(frame, {
      // Room for one more, or zlib would make another such buffer for what does not come.
      chunkSize: Math.max(size + 1, zlib.constants.Z_MIN_CHUNK),
      // One more than allowed, so that a frame that holds more is told apart from one that fits.
      maxOutputLength: size + 1,
    });
  } catch (error) {
    throw new RestbackupError("damaged", "A part of the archive cannot be decompressed.", {
      cause: error,
    });
  }
  if (content.length !== size) {
    throw new RestbackupError("damaged", "A part of the archive is not of the size it claims.");
  }
  return content;
}

/** Bytes of a Dictionary_ID and of a Frame_Content_Size by their flags (RFC 8878, 3.1.1.1). */
const DICTIONARY_ID = [0, 1, 2, 4];
const CONTENT_SIZE = [0, 2, 4, 8];
const RLE_BLOCK = 1;

/** Length of the frame that begins here, told by its headers; undefined for what is no whole frame. */
function frameLength(bytes: Uint8Array): number | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < 6 || frame.readUInt32LE(0) !== ZSTD_MAGIC) return undefined;
  const descriptor = frame[4]!;
  const singleSegment = (descriptor >> 5) & 1;
  const contentSize = descriptor >> 6 === 0 ? singleSegment : CONTENT_SIZE[descriptor >> 6]!;
  let at = 5 + (1 - singleSegment) + DICTIONARY_ID[descriptor & 3]! + contentSize;
  for (let last = 0; last === 0; ) {
    if (at + 3 > frame.length) return undefined;
    const header = frame.readUIntLE(at, 3);
    last = header & 1;
    at += 3 + (((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3);
  }
  const checksum = (descriptor >> 2) & 1;
  return at + checksum * 4;
}
