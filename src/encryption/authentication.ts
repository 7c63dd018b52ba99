import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Authentication } from "./authentication-record.ts";
import { keyMaterial, type SecretKey } from "./keys.ts";
import { isSignedBy, type SigningKey, signMessage, type TrustedSigner } from "./signing.ts";

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
