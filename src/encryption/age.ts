import { randomBytes } from "node:crypto";
import { type ByteRange, readBytes } from "../byte-range.ts";
import { RestbackupError } from "../errors.ts";
import { free } from "../memory.ts";
import { createHeader, type HeaderOptions, headerSize, MAX_HEADER, openHeader } from "./header.ts";
import type { SecretKey } from "./keys.ts";
import {
  CHUNK,
  decryptChunk,
  ENCRYPTED_CHUNK,
  NONCE,
  PayloadEncrypter,
  payloadKey,
  plaintextSize,
} from "./payload.ts";

/** An age file being written. */
export interface AgeWriter {
  /** Header and nonce: what stands before the payload. */
  readonly prologue: Buffer;
  /** Ciphertext that is ready; keeps nothing of what it was given. */
  update(plain: Uint8Array): Buffer[];
  final(): Buffer[];
}

/** What an age file begins with, and the key that its payload is to be encrypted with. */
export interface AgePrologue {
  /** Header and nonce. */
  readonly prologue: Buffer;
  /** For a {@link PayloadEncrypter}. */
  readonly key: Buffer;
}

/** Begins an age file. Throws `usage` (see {@link createHeader}). */
export async function createAgePrologue(options: HeaderOptions): Promise<AgePrologue> {
  const { bytes, fileKey } = await createHeader(options);
  const nonce = randomBytes(NONCE);
  return { prologue: Buffer.concat([bytes, nonce]), key: payloadKey(fileKey, nonce) };
}

/** Begins an age file to be written here. Throws `usage` (see {@link createHeader}). */
export async function createAgeWriter(options: HeaderOptions): Promise<AgeWriter> {
  const { prologue, key } = await createAgePrologue(options);
  const encrypter = new PayloadEncrypter(key);
  return {
    prologue,
    update: (plain) => encrypter.update(plain),
    final: () => encrypter.final(),
  };
}

/** Asked of the source first: more than any header but one to dozens of recipients. */
const FIRST_READ = 8 * 1024;
/** Chunks decrypted before they are passed on together. */
const BATCH = 16;

/**
 * The plaintext of an age file, readable from any position. The last chunk is verified at once, so
 * that a file cut short or added to is noticed before anything is believed; every other chunk is
 * verified before any byte of it is handed out.
 *
 * Throws `wrong-key` and `damaged`.
 */
export async function openAge(source: ByteRange, key: SecretKey): Promise<ByteRange> {
  const header = await readHeader(source);
  const fileKey = await openHeader(header, key);
  const payloadStart = header.length + NONCE;
  if (source.size < payloadStart) plaintextSize(0);
  const payloadSize = source.size - payloadStart;
  const size = plaintextSize(payloadSize);
  const secret = payloadKey(fileKey, await readBytes(source, header.length, payloadStart));
  const lastIndex = Math.ceil(payloadSize / ENCRYPTED_CHUNK) - 1;
  const plaintext: ByteRange = {
    size,
    read: (start, end) => {
      if (start < 0 || end > size || start > end) {
        throw new RangeError(`no bytes ${start} to ${end} in a plaintext of ${size}`);
      }
      return decryptRange(source, { secret, payloadStart, lastIndex }, start, end);
    },
  };
  const lastStart = payloadStart + lastIndex * ENCRYPTED_CHUNK;
  decryptChunk(secret, lastIndex, await readBytes(source, lastStart, source.size), true);
  return plaintext;
}

async function readHeader(source: ByteRange): Promise<Buffer> {
  for (let length = FIRST_READ; ; length *= 4) {
    const end = Math.min(length, source.size, MAX_HEADER);
    const prefix = await readBytes(source, 0, end);
    const size = headerSize(prefix, end < source.size);
    if (size !== undefined) return prefix.subarray(0, size);
  }
}

async function* decryptRange(
  source: ByteRange,
  file: { readonly secret: Buffer; readonly payloadStart: number; readonly lastIndex: number },
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  if (start === end) return;
  const first = Math.floor(start / CHUNK);
  const last = Math.floor((end - 1) / CHUNK);
  const encryptedStart = file.payloadStart + first * ENCRYPTED_CHUNK;
  const encryptedEnd = Math.min(file.payloadStart + (last + 1) * ENCRYPTED_CHUNK, source.size);
  const encrypted = source.read(encryptedStart, encryptedEnd);
  let index = first;
  let skip = start - first * CHUNK;
  let left = end - start;
  for await (const chunks of wholeChunks(encrypted, encryptedEnd - encryptedStart)) {
    for (let at = 0; at < chunks.length; at += ENCRYPTED_CHUNK) {
      const chunk = chunks.subarray(at, at + ENCRYPTED_CHUNK);
      const plain = decryptChunk(file.secret, index, chunk, index === file.lastIndex);
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
