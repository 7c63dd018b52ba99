import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { type Identity, type Recipient, Stanza } from "age-encryption";
import { RestbackupError } from "../errors.ts";

/**
 * The age scrypt recipient (age spec, "scrypt"), on node:crypto: off the main thread and several
 * times as fast as in JavaScript.
 */

const LABEL = Buffer.from("age-encryption.org/v1/scrypt", "latin1");
/** age's own default: about a second, and 256 MiB for that long. */
const WORK_FACTOR = 18;
/** What a reader will spend on a file it knows nothing of yet: 1 GiB. */
const MAX_WORK_FACTOR = 20;
const ZERO_NONCE = Buffer.alloc(12);
const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

function wrapKey(passphrase: string, salt: Uint8Array, logN: number): Promise<Buffer> {
  const N = 2 ** logN;
  return derive(passphrase, Buffer.concat([LABEL, salt]), 32, {
    N,
    r: 8,
    p: 1,
    maxmem: 128 * 8 * (N + 8),
  });
}

export function scryptRecipient(passphrase: string, workFactor = WORK_FACTOR): Recipient {
  return {
    async wrapFileKey(fileKey) {
      const salt = randomBytes(16);
      const key = await wrapKey(passphrase, salt, workFactor);
      const cipher = createCipheriv("chacha20-poly1305", key, ZERO_NONCE, { authTagLength: 16 });
      const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
      const saltText = salt.toString("base64").replaceAll("=", "");
      return [new Stanza(["scrypt", saltText, String(workFactor)], body)];
    },
  };
}

export function scryptIdentity(passphrase: string): Identity {
  return {
    async unwrapFileKey(stanzas) {
      if (!stanzas.some(({ args }) => args[0] === "scrypt")) return null;
      const [stanza] = stanzas;
      // Alone, or a passphrase would not prove that its holder wrote the file (age spec).
      if (stanzas.length !== 1 || stanza === undefined) throw malformed();
      const [, saltText, logText] = stanza.args;
      if (stanza.args.length !== 3 || !/^[1-9]\d?$/.test(logText ?? "")) throw malformed();
      const salt = Buffer.from(saltText!, "base64");
      if (salt.length !== 16 || salt.toString("base64").replaceAll("=", "") !== saltText) {
        throw malformed();
      }
      if (stanza.body.length !== 32) throw malformed();
      const logN = Number(logText);
      if (logN > MAX_WORK_FACTOR) {
        throw new RestbackupError("damaged", `The archive asks for scrypt work factor ${logN}.`, {
          hint: `This program goes up to ${MAX_WORK_FACTOR}, and writes ${WORK_FACTOR}.`,
        });
      }
      const key = await wrapKey(passphrase, salt, logN);
      const decipher = createDecipheriv("chacha20-poly1305", key, ZERO_NONCE, {
        authTagLength: 16,
      });
      decipher.setAuthTag(stanza.body.subarray(16));
      try {
        return Buffer.concat([decipher.update(stanza.body.subarray(0, 16)), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}

function malformed(): RestbackupError {
  return new RestbackupError("damaged", "The archive's passphrase header is malformed.");
}
