import type { KeyObject } from "node:crypto";
import type { ByteRange } from "../byte-range.ts";
import { RestbackupError } from "../errors.ts";
import { free } from "../memory.ts";
import { CHUNK, decryptChunk, ENCRYPTED_CHUNK } from "./payload.ts";

/** Where a payload lies in its age file, and what decrypts it. */
export interface Payload {
  readonly key: KeyObject;
  /** Position of the first chunk in the file. */
  readonly start: number;
  /** Length of the plaintext in bytes. */
  readonly size: number;
  /** Number of the last chunk. */
  readonly lastIndex: number;
}

/** Plaintext that remembers what it is decrypted from, so that another thread can do it too. */
export interface DecryptedRange extends ByteRange {
  readonly encrypted: { readonly source: ByteRange; readonly payload: Payload };
}

/** The plaintext of a payload; every chunk is verified before any byte of it is handed out. */
export function decryptedRange(source: ByteRange, payload: Payload): DecryptedRange {
  const { size } = payload;
  return {
    size,
    encrypted: { source, payload },
    read: (start, end) => {
      if (start < 0 || end > size || start > end) {
        throw new RangeError(`no bytes ${start} to ${end} in a plaintext of ${size}`);
      }
      return decryptRange(source, payload, start, end);
    },
  };
}

async function* decryptRange(
  source: ByteRange,
  payload: Payload,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  if (start === end) return;
  const first = Math.floor(start / CHUNK);
  const last = Math.floor((end - 1) / CHUNK);
  const encryptedStart = payload.start + first * ENCRYPTED_CHUNK;
  const encryptedEnd = Math.min(payload.start + (last + 1) * ENCRYPTED_CHUNK, source.size);
  let index = first;
  let skip = start - first * CHUNK;
  let left = end - start;
  for await (const chunk of chunksOf(source.read(encryptedStart, encryptedEnd))) {
    const plain = decryptChunk(payload.key, index, chunk, index === payload.lastIndex);
    const wanted = plain.subarray(skip, skip + left);
    left -= wanted.length;
    yield wanted;
    free(plain);
    skip = 0;
    index += 1;
  }
  if (left > 0) throw new RestbackupError("damaged", "The archive ends too early.");
}

/**
 * Regroups pieces to whole chunks, but for the very end. Views of the pieces where these hold whole
 * ones: a chunk is the caller's until it asks for the next.
 */
async function* chunksOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // Of a chunk that goes on in the next piece.
  const held = Buffer.allocUnsafe(ENCRYPTED_CHUNK);
  let filled = 0;
  for await (const piece of pieces) {
    let at = 0;
    if (filled > 0) {
      at = Math.min(ENCRYPTED_CHUNK - filled, piece.length);
      held.set(piece.subarray(0, at), filled);
      filled += at;
      if (filled < ENCRYPTED_CHUNK) continue;
      yield held;
    }
    for (; piece.length - at >= ENCRYPTED_CHUNK; at += ENCRYPTED_CHUNK) {
      yield piece.subarray(at, at + ENCRYPTED_CHUNK);
    }
    held.set(piece.subarray(at));
    filled = piece.length - at;
  }
  if (filled > 0) yield held.subarray(0, filled);
}
