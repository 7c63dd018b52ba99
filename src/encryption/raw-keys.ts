import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** Keys of Curve25519 as the 32 bytes that age and we write them in, from and to what node:crypto takes. */

/** Last byte of the curve's object identifier (RFC 8410, 3). */
const IDENTIFIER = { x25519: 0x6e, ed25519: 0x70 } as const;
type Curve = keyof typeof IDENTIFIER;

/** DER up to the key itself: PKCS #8 and SubjectPublicKeyInfo, the identifier's last byte left out. */
const PKCS8 = ["302e020100300506032b65", "04220420"] as const;
const SPKI = ["302a300506032b65", "032100"] as const;
const SPKI_LENGTH = 12;

/** @param bytes scalar or seed. */
export function secretKey(curve: Curve, bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: der(PKCS8, curve, bytes), format: "der", type: "pkcs8" });
}

export function publicKey(curve: Curve, bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: der(SPKI, curve, bytes), format: "der", type: "spki" });
}

/** The public half of a key of either kind. */
export function publicBytes(key: KeyObject): Buffer {
  const publicHalf = key.type === "private" ? createPublicKey(key) : key;
  return publicHalf.export({ format: "der", type: "spki" }).subarray(SPKI_LENGTH);
}

function der([before, after]: readonly [string, string], curve: Curve, bytes: Uint8Array): Buffer {
  const identifier = Buffer.of(IDENTIFIER[curve]);
  return Buffer.concat([Buffer.from(before, "hex"), identifier, Buffer.from(after, "hex"), bytes]);
}
