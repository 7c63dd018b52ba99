import { type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { bech32 } from "@scure/base";
import { decodeBech32, refusal, words } from "./keys.ts";
import { publicBytes, publicKey, secretKey } from "./raw-keys.ts";

/**
 * Ed25519 keys (RFC 8032) for machines that hold no identity to authenticate with. Written in
 * bech32 like age's: the secret seed as `RESTBACKUP-SIGNING-KEY-1…`, the public half as
 * `restbackup-signer1…`, 32 bytes each.
 */

const SECRET_PREFIX = "restbackup-signing-key-";
const PUBLIC_PREFIX = "restbackup-signer";

/** The public half, as restoring sides list it. */
export interface TrustedSigner {
  readonly text: string;
}

const secrets = new WeakMap<SigningKey, KeyObject>();

/** Signs archives; printing it shows only its public half. */
export class SigningKey {
  /** The public half. */
  readonly signer: string;

  /** @internal */
  constructor(seed: Uint8Array) {
    const secret = secretKey("ed25519", seed);
    this.signer = bech32.encodeFromBytes(PUBLIC_PREFIX, publicBytes(secret));
    secrets.set(this, secret);
  }
}

/**
 * A new key for a machine that writes backups it cannot read, and its public half, the signer, which
 * restoring sides list as trusted.
 */
export function generateSigningKey(): { signingKey: string; signer: string } {
  const seed = randomBytes(32);
  const signingKey = bech32.encodeFromBytes(SECRET_PREFIX, seed).toUpperCase();
  return { signingKey, signer: new SigningKey(seed).signer };
}

/** Reads a signing key; white space and `#` lines around it do not count. Throws `usage`. */
export function parseSigningKey(text: string): SigningKey {
  const [word, ...more] = words(text);
  const decoded = word === undefined || more.length > 0 ? undefined : decodeBech32(word);
  if (decoded?.prefix === PUBLIC_PREFIX) {
    throw refusal(
      "The signing key is a signer, the public half.",
      "Signing needs the line RESTBACKUP-SIGNING-KEY-1… of: restbackup keygen --signing.",
    );
  }
  if (decoded?.prefix !== SECRET_PREFIX || decoded.bytes.length !== 32) {
    throw refusal(
      "The signing key is not one: mistyped, cut off or of another kind.",
      "It is one line RESTBACKUP-SIGNING-KEY-1… as restbackup keygen --signing prints it.",
    );
  }
  return new SigningKey(decoded.bytes);
}

/** Reads trusted signers, separated by lines, white space or commas. Throws `usage`. */
export function parseTrustedSigners(text: string | readonly string[]): TrustedSigner[] {
  const found = new Set<string>();
  for (const word of words(text)) {
    const decoded = decodeBech32(word);
    if (decoded?.prefix !== PUBLIC_PREFIX || decoded.bytes.length !== 32) {
      throw refusal(
        decoded?.prefix === SECRET_PREFIX
          ? "A secret signing key was given as trusted signer."
          : "Something that is no signer was given as trusted signer.",
        "A signer starts with restbackup-signer1, as restbackup keygen --signing prints it.",
      );
    }
    found.add(word.toLowerCase());
  }
  return [...found].map((signer) => ({ text: signer }));
}

export function signMessage(message: Uint8Array, key: SigningKey): Buffer {
  return sign(null, message, secrets.get(key)!);
}

/** Whether the signature is this signer's; false for anything malformed. */
export function isSignedBy(message: Uint8Array, signature: Uint8Array, signer: string): boolean {
  const decoded = decodeBech32(signer);
  if (decoded?.prefix !== PUBLIC_PREFIX || decoded.bytes.length !== 32) return false;
  return verify(null, message, publicKey("ed25519", decoded.bytes), signature);
}
