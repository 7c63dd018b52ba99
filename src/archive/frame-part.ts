import { once } from "node:events";
import zlib from "node:zlib";
import { type ByteRange, readBytes } from "../byte-range.ts";
import { RestbackupError } from "../errors.ts";
import { nextStoredBlock, storedLength, storedPosition } from "./frame.ts";
import type { SeekFrame } from "./seek-table.ts";

/** Added to what is asked for at first, for parts that compressed less than the rest. */
const MARGIN = 64 * 2 ** 10;

/**
 * A part of a frame's content, read with as little of the frame as that takes: only the part itself
 * where the frame is stored uncompressed, else the frame's beginning. Throws `damaged`.
 *
 * @param at position of the frame in the stream.
 */
export async function readFramePart(
  stream: ByteRange,
  frame: SeekFrame & { readonly at: number },
  start: number,
  end: number,
): Promise<Buffer> {
  const { at, compressed, decompressed } = frame;
  if (storedLength(decompressed) === compressed) {
    return readStored(stream, frame, start, end);
  }
  const decoder = zlib.createZstdDecompress();
  const pieces: Buffer[] = [];
  let length = 0;
  decoder.on("data", (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
  });
  try {
    // Content compresses alike throughout, more or less.
    let until = Math.ceil((end / decompressed) * compressed) + MARGIN;
    for (let from = 0; length < end; ) {
      if (from >= compressed) throw ended();
      const to = Math.min(until, compressed);
      const bytes = await readBytes(stream, at + from, at + to);
      const written = Promise.withResolvers<void>();
      decoder.write(bytes, (error) => (error ? written.reject(error) : written.resolve()));
      const failed = once(decoder, "error").then(([error]) => Promise.reject(error));
      failed.catch(() => {});
      await Promise.race([written.promise, failed]);
      from = to;
      until = to + MARGIN;
    }
  } catch (error) {
    if (error instanceof RestbackupError) throw error;
    throw new RestbackupError("damaged", "A part of the archive cannot be decompressed.", {
      cause: error,
    });
  } finally {
    decoder.destroy();
  }
  return Buffer.concat(pieces).subarray(start, end);
}

/** Reads around the headers of the raw blocks. */
async function readStored(
  stream: ByteRange,
  { at }: { readonly at: number },
  start: number,
  end: number,
): Promise<Buffer> {
  const from = storedPosition(start);
  const bytes = await readBytes(stream, at + from, at + storedPosition(end - 1) + 1);
  const part = Buffer.allocUnsafe(end - start);
  for (let position = start; position < end; ) {
    const block = Math.min(nextStoredBlock(position), end) - position;
    bytes.copy(
      part,
      position - start,
      storedPosition(position) - from,
      storedPosition(position) - from + block,
    );
    position += block;
  }
  return part;
}

function ended(): RestbackupError {
  return new RestbackupError("damaged", "A part of the archive is not of the size it claims.");
}
