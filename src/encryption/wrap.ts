import { createCipheriv, createDecipheriv } from "node:crypto";
import { FILE_KEY } from "./stanzas.ts";

/** How every kind of stanza hides the file key: ChaCha20-Poly1305 with a key used this once. */

const CIPHER = "chacha20-poly1305";
const NONCE = Buffer.alloc(12);
const TAG = { authTagLength: 16 };
/** Length of a wrapped file key. */
export const WRAPPED = FILE_KEY + TAG.authTagLength;

export function wrapFileKey(key: Buffer, fileKey: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, NONCE, TAG);
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined where it was wrapped with another key. */
export function unwrapFileKey(key: Buffer, wrapped: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, NONCE, TAG);
  decipher.setAuthTag(wrapped.subarray(FILE_KEY));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(0, FILE_KEY)), decipher.final()]);
  } catch {
    return undefined;
  }
}
