import { promisify } from "node:util";
import zlib from "node:zlib";
import { RestbackupError } from "../errors.ts";

/**
 * Independent zstd frames (RFC 8878), compressed and decompressed on libuv's thread pool: as many
 * at once as the caller starts.
 *
 * Always frame by frame: the decompressor of node:zlib stops silently after the first of several.
 */

const compress = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdCompress);
const decompress = promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);

/** Tar bytes in a frame, at most. */
export const FRAME_SIZE = 2 * 2 ** 20;

/** What a reader accepts of another writer: beyond it, a frame is refused unread. */
const MAX_FRAME_SIZE = 64 * 2 ** 20;

/** `ZSTD_compressBound`: no frame of this much data is longer. */
function compressBound(size: number): number {
  return size + (size >>> 8) + 512;
}

/**
 * One frame that states its content size. `level` is zstd's, 1 to 19. The result lies at the
 * beginning of a buffer of the size the content needs at worst: copy what is kept, free the rest.
 */
export function compressFrame(content: Uint8Array, level: number): Promise<Buffer> {
  return compress(content, {
    params: { [zlib.constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: content.length,
    // The whole frame in one go: one trip to the pool, one output buffer.
    chunkSize: Math.max(compressBound(content.length), zlib.constants.Z_MIN_CHUNK),
  });
}

/** The content of one frame, which must be of exactly this size. Throws `damaged`. */
export async function decompressFrame(frame: Uint8Array, size: number): Promise<Buffer> {
  if (size > MAX_FRAME_SIZE) {
    throw new RestbackupError("damaged", `A frame claims ${size} bytes; the format allows 64 MiB.`);
  }
  let content: Buffer;
  try {
    content = await decompress(frame, {
      chunkSize: Math.max(size, zlib.constants.Z_MIN_CHUNK),
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
