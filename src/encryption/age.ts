import { type KeyObject, randomBytes } from "node:crypto";
import { type ByteRange, readBytes } from "../byte-range.ts";
import { createHeader, type HeaderOptions, headerSize, MAX_HEADER, openHeader } from "./header.ts";
import type { SecretKey } from "./keys.ts";
import {
  decryptChunk,
  ENCRYPTED_CHUNK,
  NONCE,
  PayloadEncrypter,
  payloadKey,
  plaintextSize,
} from "./payload.ts";
import { type DecryptedRange, decryptedRange } from "./payload-range.ts";

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
  readonly key: KeyObject;
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

/**
 * The plaintext of an age file, readable from any position. The last chunk is verified at once, so
 * that a file cut short or added to is noticed before anything is believed; every other chunk is
 * verified before any byte of it is handed out.
 *
 * Throws `wrong-key` and `damaged`.
 */
export async function openAge(source: ByteRange, key: SecretKey): Promise<DecryptedRange> {
  const header = await readHeader(source);
  const fileKey = await openHeader(header, key);
  const payloadStart = header.length + NONCE;
  if (source.size < payloadStart) plaintextSize(0);
  const payloadSize = source.size - payloadStart;
  const size = plaintextSize(payloadSize);
  const secret = payloadKey(fileKey, await readBytes(source, header.length, payloadStart));
  const lastIndex = Math.ceil(payloadSize / ENCRYPTED_CHUNK) - 1;
  const plaintext = decryptedRange(source, { key: secret, start: payloadStart, size, lastIndex });
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
