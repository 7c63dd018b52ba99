import type { KeyObject } from "node:crypto";
import { type ByteRange, piecesOf } from "../byte-range.ts";
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
  const groups = (start: number, end: number): AsyncGenerator<Iterable<Uint8Array>> => {
    if (start < 0 || end > size || start > end) {
      throw new RangeError(`no bytes ${start} to ${end} in a plaintext of ${size}`);
    }
    return decryptRange(source, payload, start, end);
  };
  return {
    size,
    encrypted: { source, payload },
    groups,
    read: (start, end) => piecesOf(groups(start, end)),
  };
}

async function* decryptRange(
  source: ByteRange,
  payload: Payload,
  start: number,
  end: number,
): AsyncGenerator<Iterable<Uint8Array>> {
  if (start === end) return;
  const first = Math.floor(start / CHUNK);
  const last = Math.floor((end - 1) / CHUNK);
  const encryptedStart = payload.start + first * ENCRYPTED_CHUNK;
  const encryptedEnd = Math.min(payload.start + (last + 1) * ENCRYPTED_CHUNK, source.size);
  const chunks = new Chunks();
  const plaintext = new Plaintext(payload, start, end);
  for await (const piece of source.read(encryptedStart, encryptedEnd)) {
    yield plaintext.of(chunks.take(piece));
  }
  yield plaintext.of(chunks.end());
  if (plaintext.left > 0) throw new RestbackupError("damaged", "The archive ends too early.");
}

/** Decrypts chunk after chunk, and hands out what is wanted of them. */
class Plaintext {
  readonly #payload: Payload;
  #index: number;
  #skip: number;
  #left: number;

  constructor(payload: Payload, start: number, end: number) {
    this.#payload = payload;
    this.#index = Math.floor(start / CHUNK);
    this.#skip = start % CHUNK;
    this.#left = end - start;
  }

  /** Bytes still to come. */
  get left(): number {
    return this.#left;
  }

  *of(chunks: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
    const { key, lastIndex } = this.#payload;
    for (const chunk of chunks) {
      const plain = decryptChunk(key, this.#index, chunk, this.#index === lastIndex);
      const wanted = plain.subarray(this.#skip, this.#skip + this.#left);
      this.#left -= wanted.length;
      this.#skip = 0;
      this.#index += 1;
      yield wanted;
      free(plain);
    }
  }
}

/**
 * Regroups pieces to whole chunks, but for the very end. Views of the pieces where these hold whole
 * ones: a chunk is the caller's until it asks for the next.
 */
class Chunks {
  /** Of a chunk that goes on in the next piece. */
  readonly #held = Buffer.allocUnsafe(ENCRYPTED_CHUNK);
  #filled = 0;

  *take(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(ENCRYPTED_CHUNK - this.#filled, piece.length);
      this.#hold(piece.subarray(0, at));
      if (this.#filled < ENCRYPTED_CHUNK) return;
      yield this.#held;
      this.#filled = 0;
    }
    for (; piece.length - at >= ENCRYPTED_CHUNK; at += ENCRYPTED_CHUNK) {
      yield piece.subarray(at, at + ENCRYPTED_CHUNK);
    }
    this.#hold(piece.subarray(at));
  }

  /** What is left after the last piece. */
  *end(): Generator<Uint8Array, void, undefined> {
    if (this.#filled > 0) yield this.#held.subarray(0, this.#filled);
  }

  #hold(part: Uint8Array): void {
    this.#held.set(part, this.#filled);
    this.#filled += part.length;
  }
}
