import { diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from "node:crypto";
import { RestbackupError } from "../errors.ts";
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
      const shared = secretShared(ephemeral.privateKey, theirs);
      if (shared === undefined) {
        throw new RestbackupError(
          "usage",
          "A recipient is a point of low order, which hides nothing.",
          {
            hint: "Use another recipient: no program makes such ones.",
          },
        );
      }
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
        const shared = secretShared(secret, publicKey(CURVE, share));
        if (shared === undefined) throw malformedHeader();
        const key = wrappingKey(shared, share, point);
        const fileKey = unwrapFileKey(key, body);
        if (fileKey !== undefined) return fileKey;
      }
      return undefined;
    },
  };
}

/** Undefined for a point of low order: the secret would be zero (RFC 7748, 6.1). */
function secretShared(privateKey: KeyObject, point: KeyObject): Buffer | undefined {
  try {
    const shared = diffieHellman({ privateKey, publicKey: point });
    return shared.every((byte) => byte === 0) ? undefined : shared;
  } catch {
    return undefined;
  }
}

function wrappingKey(shared: Buffer, share: Buffer, point: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", shared, Buffer.concat([share, point]), INFO, 32));
}
