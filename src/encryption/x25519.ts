import { diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from "node:crypto";
import { publicBytes, publicKey, secretKey } from "./raw-keys.ts";
import {
  fromBase64,
  malformedHeader,
  type StanzaIdentity,
  type StanzaRecipient,
  toBase64,
} from "./stanzas.ts";
import { unwrapFileKey, WRAPPED, wrapFileKey } from "./wrap.ts";

/** The age X25519 recipient (age spec, "X25519"), on node:crypto. */

const TYPE = "X25519";
const CURVE = "x25519";
const INFO = "age-encryption.org/v1/X25519";
/** Length of a point, and of a scalar. */
export const X25519_KEY = 32;

/** The public point of a secret scalar. */
export function publicPoint(scalar: Uint8Array): Buffer {
  return publicBytes(secretKey(CURVE, scalar));
}

export function x25519Recipient(point: Buffer): StanzaRecipient {
  const theirs = publicKey(CURVE, point);
  return {
    wrap(fileKey) {
      const ephemeral = generateKeyPairSync(CURVE);
      const share = publicBytes(ephemeral.publicKey);
      const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: theirs });
      const body = wrapFileKey(wrappingKey(shared, share, point), fileKey);
      return { args: [TYPE, toBase64(share)], body };
    },
  };
}

export function x25519Identity(scalar: Uint8Array): StanzaIdentity {
  const secret = secretKey(CURVE, scalar);
  const point = publicBytes(secret);
  return {
    unwrap(stanzas) {
      for (const { args, body } of stanzas) {
        if (args[0] !== TYPE) continue;
        const share = fromBase64(args[1]);
        if (args.length !== 2 || share?.length !== X25519_KEY || body.length !== WRAPPED) {
          throw malformedHeader();
        }
        const key = wrappingKey(sharedSecret(secret, share), share, point);
        const fileKey = unwrapFileKey(key, body);
        if (fileKey !== undefined) return fileKey;
      }
      return undefined;
    },
  };
}

/** Throws `damaged` for a share of low order: the secret would be zero (RFC 7748, 6.1). */
function sharedSecret(secret: KeyObject, share: Buffer): Buffer {
  let shared: Buffer;
  try {
    shared = diffieHellman({ privateKey: secret, publicKey: publicKey(CURVE, share) });
  } catch {
    throw malformedHeader();
  }
  if (shared.every((byte) => byte === 0)) throw malformedHeader();
  return shared;
}

function wrappingKey(shared: Buffer, share: Buffer, point: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", shared, Buffer.concat([share, point]), INFO, 32));
}
