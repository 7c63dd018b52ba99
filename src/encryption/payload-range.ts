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

/** Chunks decrypted before they are passed on together. */
const BATCH = 16;

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
  const encrypted = source.read(encryptedStart, encryptedEnd);
  let index = first;
  let skip = start - first * CHUNK;
  let left = end - start;
  for await (const chunks of wholeChunks(encrypted, encryptedEnd - encryptedStart)) {
    for (let at = 0; at < chunks.length; at += ENCRYPTED_CHUNK) {
      const chunk = chunks.subarray(at, at + ENCRYPTED_CHUNK);
      const plain = decryptChunk(payload.key, index, chunk, index === payload.lastIndex);
      const wanted = plain.subarray(skip, skip + left);
      left -= wanted.length;
      yield wanted;
      free(plain);
      skip = 0;
      index += 1;
    }
  }
  if (left > 0) throw new RestbackupError("damaged", "The archive ends too early.");
}

/**
 * Regroups pieces so that each begins with a chunk and holds whole ones, but for the very end. Their
 * bytes are copied before more are asked for, as the source may use its memory again then.
 *
 * @param length of all pieces together.
 */
async function* wholeChunks(
  pieces: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array> {
  const batch = Buffer.allocUnsafe(Math.min(length, ENCRYPTED_CHUNK * BATCH));
  let filled = 0;
  try {
    for await (const piece of pieces) {
      let rest = piece;
      while (rest.length > 0) {
        const part = rest.subarray(0, batch.length - filled);
        batch.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (filled < batch.length) continue;
        yield batch;
        filled = 0;
      }
    }
    if (filled > 0) yield batch.subarray(0, filled);
  } finally {
    free(batch);
  }
}
