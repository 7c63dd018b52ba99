import { RestbackupError } from "../errors.ts";

/**
 * Proof of who wrote an archive (docs/format.md, "Authentication"). Encryption to a public
 * recipient proves nothing: anyone can do that.
 */
export interface Authentication {
  /** HMAC-SHA-256 by the writer's secret key, 64 lower-case hex digits. */
  readonly hmac?: string;
  /** Ed25519 signature, base64, and whose. */
  readonly signature?: { readonly signer: string; readonly value: string };
}

const HMAC_TEXT = /^[0-9a-f]{64}$/;
const SIGNER_TEXT = /^restbackup-signer1[02-9ac-hj-np-z]{58}$/;
/** 64 bytes in base64; the last digit has no unused bits, so that there is one way to write it. */
const SIGNATURE_TEXT = /^[A-Za-z0-9+/]{85}[AQgw]==$/;

function matches(value: unknown, form: RegExp): boolean {
  return typeof value === "string" && form.test(value);
}

/** Reads the proof out of an archive. Throws `damaged`. */
export function parseAuthentication(value: unknown): Authentication {
  const { hmac, signature } = (value ?? {}) as Authentication;
  const wellFormed =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    (hmac === undefined || matches(hmac, HMAC_TEXT)) &&
    (signature === undefined ||
      (typeof signature === "object" &&
        signature !== null &&
        matches(signature.signer, SIGNER_TEXT) &&
        matches(signature.value, SIGNATURE_TEXT)));
  if (!wellFormed) {
    throw new RestbackupError("damaged", "The archive's proof of its writer is malformed.");
  }
  return {
    ...(hmac === undefined ? {} : { hmac }),
    ...(signature === undefined
      ? {}
      : { signature: { signer: signature.signer, value: signature.value } }),
  };
}
