import {
  type CipherChaCha20Poly1305,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { RestbackupError } from "../errors.ts";

/**
 * The age payload (age spec, "Payload"; STREAM): 64 KiB chunks under ChaCha20-Poly1305, each with
 * its number and whether it is the last as nonce.
 */

export const CHUNK = 64 * 1024;
const TAG = 16;
export const ENCRYPTED_CHUNK = CHUNK + TAG;
export const NONCE = 16;
const CIPHER = "chacha20-poly1305";
const TAGGED = { authTagLength: TAG };

/**
 * Not as bytes, which would be looked at anew for each chunk: that takes half as long as encrypting it.
 *
 * @param nonce the 16 bytes after the header.
 */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32)));
}

/** 11 bytes of counter, big-endian, and one for the last chunk. Good until the next is made: ciphers copy it. */
function chunkNonce(index: number, last: boolean): Buffer {
  NONCE_MEMORY.writeUIntBE(index, 5, 6);
  NONCE_MEMORY[11] = last ? 1 : 0;
  return NONCE_MEMORY;
}

const NONCE_MEMORY = Buffer.alloc(12);

/** Chunks of ciphertext handed on at once: few enough to be in the cache still, enough to be worth it. */
const BATCH = 16;

/** Encrypts a stream; keeps nothing of what it was given. */
export class PayloadEncrypter {
  readonly #key: KeyObject;
  #index = 0;
  /** Of plaintext given before: it may be the end, and the last chunk is encrypted otherwise. */
  readonly #held = Buffer.allocUnsafe(CHUNK);
  #heldLength = 0;

  /** @param key of {@link payloadKey}. */
  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** Ciphertext that is ready, in order; perhaps none. */
  update(plain: Uint8Array): Buffer[] {
    return [...this.batches([plain])].flat();
  }

  /** Takes plaintext in pieces; gives the ciphertext that is ready in batches, as it is asked for. */
  *batches(plain: readonly Uint8Array[]): Generator<Buffer[], void, undefined> {
    let left = this.#heldLength;
    for (const piece of plain) left += piece.length;
    let piece = 0;
    let from = 0;
    let out: Buffer[] = [];
    // Only when more comes is a full chunk known not to be the last.
    for (; left > CHUNK; left -= CHUNK) {
      const cipher = this.#cipher(false);
      let room = CHUNK - this.#heldLength;
      this.#flushHeld(cipher, out);
      while (room > 0) {
        const part = plain[piece]!.subarray(from, from + room);
        if (part.length > 0) out.push(cipher.update(part));
        room -= part.length;
        from += part.length;
        if (from === plain[piece]!.length) {
          piece += 1;
          from = 0;
        }
      }
      this.#finish(cipher, out);
      if (this.#index % BATCH === 0) {
        yield out;
        out = [];
      }
    }
    for (; piece < plain.length; piece += 1, from = 0) {
      const rest = plain[piece]!.subarray(from);
      this.#held.set(rest, this.#heldLength);
      this.#heldLength += rest.length;
    }
    if (out.length > 0) yield out;
  }

  /** The last chunk. */
  final(): Buffer[] {
    const out: Buffer[] = [];
    const cipher = this.#cipher(true);
    this.#flushHeld(cipher, out);
    this.#finish(cipher, out);
    return out;
  }

  #cipher(last: boolean): CipherChaCha20Poly1305 {
    return createCipheriv(CIPHER, this.#key, chunkNonce(this.#index, last), TAGGED);
  }

  #flushHeld(cipher: CipherChaCha20Poly1305, out: Buffer[]): void {
    if (this.#heldLength > 0) out.push(cipher.update(this.#held.subarray(0, this.#heldLength)));
    this.#heldLength = 0;
  }

  #finish(cipher: CipherChaCha20Poly1305, out: Buffer[]): void {
    cipher.final();
    out.push(cipher.getAuthTag());
    this.#index += 1;
  }
}

/**
 * Decrypts and verifies chunk `index`. Throws `damaged`.
 *
 * @param key of {@link payloadKey}.
 */
export function decryptChunk(
  key: KeyObject,
  index: number,
  chunk: Uint8Array,
  last: boolean,
): Buffer {
  const decipher = createDecipheriv(CIPHER, key, chunkNonce(index, last), TAGGED);
  decipher.setAuthTag(chunk.subarray(chunk.length - TAG));
  const plain = decipher.update(chunk.subarray(0, chunk.length - TAG));
  try {
    decipher.final();
  } catch {
    throw new RestbackupError(
      "damaged",
      `The archive is damaged ${last ? "at its end, or was cut short" : `near byte ${index * ENCRYPTED_CHUNK}`}.`,
      { hint: "Fetch it again in case the transfer was at fault; otherwise use another backup." },
    );
  }
  return plain;
}

/**
 * Length of the plaintext of a payload of this size, without the nonce. Throws `damaged` for a size
 * no payload has: the last chunk is never empty, unless it is the only one.
 */
export function plaintextSize(payloadSize: number): number {
  const chunks = Math.ceil(payloadSize / ENCRYPTED_CHUNK);
  const lastChunk = payloadSize - (chunks - 1) * ENCRYPTED_CHUNK;
  if (chunks === 0 || lastChunk < TAG || (lastChunk === TAG && chunks > 1)) {
    throw new RestbackupError("damaged", "The archive was cut short.", {
      hint: "Use another backup, or fetch this one again if it was copied.",
    });
  }
  return payloadSize - chunks * TAG;
}
