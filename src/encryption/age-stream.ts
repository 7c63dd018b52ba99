import type { KeyObject } from "node:crypto";
import { RestbackupError } from "../errors.ts";
import { createAgeWriter } from "./age.ts";
import type { ByteSource } from "./byte-source.ts";
import { type HeaderOptions, headerSize, openHeader } from "./header.ts";
import type { SecretKey } from "./keys.ts";
import { decryptChunk, ENCRYPTED_CHUNK, NONCE, payloadKey, plaintextSize } from "./payload.ts";

/** age files as streams: read once from the beginning, where `openAge` reads from any position. */

/**
 * Encrypts a stream to an age v1 file, which `age -d` and every other age tool reads. Memory stays
 * at some chunks of 64 KiB, whatever the size.
 *
 * @param options - whom to encrypt to: a key (its newest identity, or a passphrase), recipients, or
 * a key and recipients.
 * @throws {@link RestbackupError} `usage` for neither, and for what age does not allow together.
 *
 * @example
 * ```ts
 * import { decryptAge, encryptAge, generateIdentity, parseKey, parseRecipients } from "restbackup";
 *
 * const { identity, recipient } = await generateIdentity();
 * const recipients = await parseRecipients(recipient);
 * const encrypted = encryptAge([Buffer.from("for you alone")], { recipients });
 * const key = await parseKey(identity);
 * console.log(Buffer.concat(await Array.fromAsync(decryptAge(encrypted, key))).toString());
 * ```
 */
export async function* encryptAge(
  source: ByteSource,
  options: HeaderOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const writer = await createAgeWriter(options);
  yield writer.prologue;
  for await (const piece of source) yield* writer.update(piece);
  yield* writer.final();
}

/**
 * Decrypts an age file as it comes. Every chunk is verified before any byte of it is given out. The
 * file is only whole when the generator ends without throwing.
 *
 * @throws {@link RestbackupError} `wrong-key`, or `damaged` for what was changed or cut short.
 */
export async function* decryptAge(
  source: ByteSource,
  key: SecretKey,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const { plain } of openedChunks(source, key)) if (plain.length > 0) yield plain;
}

/**
 * Passes an age file on as it is, each chunk only after it was verified, and throws what
 * {@link decryptAge} would: for copying encrypted files without keeping plaintext.
 */
export async function* verifyAge(
  source: ByteSource,
  key: SecretKey,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const { whole } of openedChunks(source, key)) yield Buffer.from(whole);
}

/** A chunk that was verified. */
interface OpenedChunk {
  /** As it stands in the file, the first one after header and nonce. Memory is used again. */
  readonly whole: Buffer;
  readonly plain: Buffer;
}

async function* openedChunks(
  source: ByteSource,
  key: SecretKey,
): AsyncGenerator<OpenedChunk, void, undefined> {
  let prologue: Buffer = Buffer.alloc(0);
  let secret: KeyObject | undefined;
  const chunk = Buffer.allocUnsafe(ENCRYPTED_CHUNK);
  let filled = 0;
  let index = 0;
  const open = (last: boolean): OpenedChunk => {
    const encrypted = chunk.subarray(0, filled);
    const plain = decryptChunk(secret!, index, encrypted, last);
    const whole = index === 0 ? Buffer.concat([prologue, encrypted]) : encrypted;
    index += 1;
    filled = 0;
    return { whole, plain };
  };
  for await (const piece of source) {
    let rest = piece;
    if (secret === undefined) {
      const start = Buffer.concat([prologue, rest]);
      const size = headerSize(start, true);
      const bodyStart = size === undefined ? start.length : size + NONCE;
      if (size === undefined || start.length < bodyStart) {
        prologue = start;
        continue;
      }
      prologue = start.subarray(0, bodyStart);
      const fileKey = await openHeader(start.subarray(0, size), key);
      secret = payloadKey(fileKey, prologue.subarray(size));
      rest = start.subarray(bodyStart);
    }
    while (rest.length > 0) {
      // Only when more comes is a full chunk known not to be the last.
      if (filled === ENCRYPTED_CHUNK) yield open(false);
      const part = rest.subarray(0, ENCRYPTED_CHUNK - filled);
      chunk.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
    }
  }
  if (secret === undefined) {
    // Says what is wrong with a header that never ended, else with the nonce.
    headerSize(prologue);
    throw new RestbackupError("damaged", "The archive was cut short.");
  }
  plaintextSize(index * ENCRYPTED_CHUNK + filled);
  yield open(true);
}
