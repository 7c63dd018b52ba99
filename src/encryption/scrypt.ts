import { randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { RestbackupError } from "../errors.ts";
import { fromBase64, type StanzaIdentity, type StanzaRecipient, toBase64 } from "./stanzas.ts";
import { unwrapFileKey, WRAPPED, wrapFileKey } from "./wrap.ts";

/**
 * The age scrypt recipient (age spec, "scrypt"), on node:crypto: off the main thread and several
 * times as fast as in JavaScript.
 */

const LABEL = Buffer.from("age-encryption.org/v1/scrypt", "latin1");
const SALT = 16;
/** age's own default: about a second, and 256 MiB for that long. */
const WORK_FACTOR = 18;
/** What a reader will spend on a file it knows nothing of yet: 1 GiB. */
const MAX_WORK_FACTOR = 20;
const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

function wrappingKey(passphrase: string, salt: Uint8Array, logN: number): Promise<Buffer> {
  const N = 2 ** logN;
  return derive(passphrase, Buffer.concat([LABEL, salt]), 32, {
    N,
    r: 8,
    p: 1,
    maxmem: 128 * 8 * (N + 8),
  });
}

export function scryptRecipient(passphrase: string, workFactor = WORK_FACTOR): StanzaRecipient {
  return {
    async wrap(fileKey) {
      const salt = randomBytes(SALT);
      const body = wrapFileKey(await wrappingKey(passphrase, salt, workFactor), fileKey);
      return { args: ["scrypt", toBase64(salt), String(workFactor)], body };
    },
  };
}

export function scryptIdentity(passphrase: string): StanzaIdentity {
  return {
    async unwrap(stanzas) {
      if (!stanzas.some(({ args }) => args[0] === "scrypt")) return undefined;
      const [stanza] = stanzas;
      // Alone, or a passphrase would not prove that its holder wrote the file (age spec).
      if (stanzas.length !== 1 || stanza === undefined) throw malformed();
      const [, saltText, logText] = stanza.args;
      if (stanza.args.length !== 3 || !/^[1-9]\d?$/.test(logText ?? "")) throw malformed();
      const salt = fromBase64(saltText);
      if (salt?.length !== SALT || stanza.body.length !== WRAPPED) throw malformed();
      const logN = Number(logText);
      if (logN > MAX_WORK_FACTOR) {
        throw new RestbackupError("damaged", `The archive asks for scrypt work factor ${logN}.`, {
          hint: `This program goes up to ${MAX_WORK_FACTOR}, and writes ${WORK_FACTOR}.`,
        });
      }
      return unwrapFileKey(await wrappingKey(passphrase, salt, logN), stanza.body);
    },
  };
}

function malformed(): RestbackupError {
  return new RestbackupError("damaged", "The archive's passphrase header is malformed.");
}
