import { createHash } from "node:crypto";
import { type ByteRange, readBytes } from "../../src/byte-range.ts";
import { createAgeWriter, openAge } from "../../src/encryption/age.ts";
import type { HeaderOptions } from "../../src/encryption/header.ts";
import { SecretKey } from "../../src/encryption/keys.ts";
import { scryptIdentity, scryptRecipient } from "../../src/encryption/scrypt.ts";
import { RestbackupError } from "../../src/errors.ts";

/**
 * Bytes in memory as a source. It overwrites each piece as soon as the next is asked for, as a
 * source may, and throws for what it does not have.
 */
export function rangeOf(bytes: Uint8Array, pieceSize = 100_000): ByteRange {
  return {
    size: bytes.length,
    async *read(start, end) {
      if (start < 0 || end > bytes.length || start > end) {
        throw new RangeError(`no bytes ${start} to ${end} of ${bytes.length}`);
      }
      for (let at = start; at < end; at += pieceSize) {
        const piece = Uint8Array.from(bytes.subarray(at, Math.min(at + pieceSize, end)));
        yield piece;
        piece.fill(0xaa);
      }
    },
  };
}

/** Encrypts pieces, one update() each, reusing the memory of each at once. */
export async function encrypt(
  options: HeaderOptions,
  ...pieces: readonly Uint8Array[]
): Promise<Buffer> {
  const writer = await createAgeWriter(options);
  const out: Buffer[] = [writer.prologue];
  for (const piece of pieces) {
    const given = Uint8Array.from(piece);
    out.push(...writer.update(given).map((ready) => Buffer.from(ready)));
    given.fill(0xaa);
  }
  out.push(...writer.final());
  return Buffer.concat(out);
}

export async function decrypt(file: Uint8Array, key: SecretKey): Promise<Buffer> {
  const plaintext = await openAge(rangeOf(file), key);
  return readBytes(plaintext, 0, plaintext.size);
}

/** Bytes that differ from chunk to chunk and are the same in every run. */
export function sampleBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4) {
    const word = Math.imul(at ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    for (let byte = 0; byte < 4 && at + byte < size; byte += 1) {
      bytes[at + byte] = (word >>> (8 * byte)) & 0xff;
    }
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A passphrase key of any length and a work factor that takes milliseconds. */
export function quickPassphrase(...passphrases: readonly [string, ...string[]]): SecretKey {
  return new SecretKey("passphrase", [], {
    secrets: passphrases.map((passphrase) => Buffer.from(passphrase, "utf8")),
    identities: passphrases.map((passphrase) => scryptIdentity(passphrase)),
    passphraseRecipient: scryptRecipient(passphrases[0], 10),
  });
}

/** The error this is refused with; anything but a RestbackupError, success included, fails. */
export async function refusalOf(doing: () => unknown): Promise<RestbackupError> {
  let result: unknown;
  try {
    result = await doing();
  } catch (error) {
    if (error instanceof RestbackupError) return error;
    throw new Error(`refused with ${String(error)}, which is no RestbackupError`, { cause: error });
  }
  throw new Error(`not refused: ${typeof result}`);
}
