import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { RestbackupError } from "../errors.ts";
import { keyMaterial, type SecretKey } from "./keys.ts";
import { isSignedBy, type SigningKey, signMessage, type TrustedSigner } from "./signing.ts";

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

const MESSAGE = Buffer.from("restbackup v1 contents\0", "latin1");
const HMAC_INFO = "restbackup v1 contents hmac";

function messageOf(digest: Uint8Array): Buffer {
  return Buffer.concat([MESSAGE, digest]);
}

function hmacOf(digest: Uint8Array, secret: Uint8Array): Buffer {
  const key = hkdfSync("sha256", secret, new Uint8Array(0), HMAC_INFO, 32);
  return createHmac("sha256", new Uint8Array(key)).update(messageOf(digest)).digest();
}

/** @param digest SHA-256 of the contents index, 32 bytes. */
export function authenticate(
  digest: Uint8Array,
  who: { readonly key?: SecretKey; readonly signingKey?: SigningKey },
): Authentication {
  return {
    ...(who.key === undefined
      ? {}
      : { hmac: hmacOf(digest, keyMaterial(who.key).secrets[0]!).toString("hex") }),
    ...(who.signingKey === undefined
      ? {}
      : {
          signature: {
            signer: who.signingKey.signer,
            value: signMessage(messageOf(digest), who.signingKey).toString("base64"),
          },
        }),
  };
}

/** Who is proven to have written it: any of our secrets, a trusted signer, or nobody. */
export function checkAuthentication(
  digest: Uint8Array,
  authentication: Authentication,
  who: { readonly key?: SecretKey; readonly trustedSigners?: readonly TrustedSigner[] },
): { readonly by: "key" } | { readonly by: "signer"; readonly signer: string } | undefined {
  const { hmac, signature } = authentication;
  if (hmac !== undefined && who.key !== undefined) {
    const given = Buffer.from(hmac, "hex");
    const ours = keyMaterial(who.key).secrets.some((secret) =>
      timingSafeEqual(hmacOf(digest, secret), given),
    );
    if (ours) return { by: "key" };
  }
  const trusted = who.trustedSigners?.some(({ text }) => text === signature?.signer) === true;
  if (signature === undefined || !trusted) return undefined;
  const value = Buffer.from(signature.value, "base64");
  if (!isSignedBy(messageOf(digest), value, signature.signer)) return undefined;
  return { by: "signer", signer: signature.signer };
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
