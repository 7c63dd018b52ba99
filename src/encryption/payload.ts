import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
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

/** @param nonce the 16 bytes after the header. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** 11 bytes of counter, big-endian, and one for the last chunk. */
function chunkNonce(index: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/** Encrypts a stream; keeps nothing of what it was given. */
export class PayloadEncrypter {
  readonly #key: Buffer;
  #index = 0;
  readonly #held = Buffer.allocUnsafe(CHUNK);
  #heldLength = 0;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Ciphertext that is ready, in order; perhaps none. */
  update(plain: Uint8Array): Buffer[] {
    const out: Buffer[] = [];
    let rest = plain;
    // Only when more comes is a full chunk known not to be the last.
    while (this.#heldLength + rest.length > CHUNK) {
      const part = rest.subarray(0, CHUNK - this.#heldLength);
      this.#encrypt(part, false, out);
      rest = rest.subarray(part.length);
    }
    this.#held.set(rest, this.#heldLength);
    this.#heldLength += rest.length;
    return out;
  }

  /** The last chunk. */
  final(): Buffer[] {
    const out: Buffer[] = [];
    this.#encrypt(new Uint8Array(0), true, out);
    return out;
  }

  /** Encrypts what is held and a part after it, without joining them first. */
  #encrypt(part: Uint8Array, last: boolean, out: Buffer[]): void {
    const cipher = createCipheriv(CIPHER, this.#key, chunkNonce(this.#index, last), TAGGED);
    if (this.#heldLength > 0) out.push(cipher.update(this.#held.subarray(0, this.#heldLength)));
    if (part.length > 0) out.push(cipher.update(part));
    cipher.final();
    out.push(cipher.getAuthTag());
    this.#index += 1;
    this.#heldLength = 0;
  }
}

/** Decrypts and verifies chunk `index`. Throws `damaged`. */
export function decryptChunk(key: Buffer, index: number, chunk: Uint8Array, last: boolean): Buffer {
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
