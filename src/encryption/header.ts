import { type Recipient as AgeRecipient, Decrypter, Encrypter } from "age-encryption";
import { RestbackupError } from "../errors.ts";
import { keyMaterial, type Recipient, refusal, type SecretKey } from "./keys.ts";

/** The age header (age spec, "File header"), by way of the age-encryption package. */

const INTRO = Buffer.from("age-encryption.org/v1\n", "latin1");
const MAC_LINE = Buffer.from("\n--- ", "latin1");
/** No header of ours comes near; a hostile one is not read further. */
export const MAX_HEADER = 2 ** 20;

export interface Header {
  /** Up to and including the newline after the MAC line. */
  readonly bytes: Buffer;
  /** 16 bytes. */
  readonly fileKey: Uint8Array;
}

/** Whom to encrypt to: a key, recipients, or both where age allows it. */
export interface HeaderOptions {
  readonly key?: SecretKey | undefined;
  readonly recipients?: readonly Recipient[] | undefined;
}

/**
 * A header for a new file key, which the newest identity of the key and all recipients can open.
 * Throws `usage` for combinations age does not allow, and for neither key nor recipient.
 */
export async function createHeader({ key, recipients = [] }: HeaderOptions): Promise<Header> {
  const encrypter = new Encrypter();
  for (const recipient of ageRecipients(key, recipients)) encrypter.addRecipient(recipient);
  // Sees the file key as every recipient does, and adds nothing to the header.
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey(given) {
      fileKey = Uint8Array.from(given);
      return [];
    },
  });
  // Of bytes the package would make a Response, and Node would load all that belongs to fetch.
  const nothing = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const file = Buffer.concat(await Array.fromAsync(await encrypter.encrypt(nothing)));
  return { bytes: file.subarray(0, headerSize(file)), fileKey: fileKey! };
}

function ageRecipients(
  key: SecretKey | undefined,
  extra: readonly Recipient[],
): (string | AgeRecipient)[] {
  const passphrase = key === undefined ? undefined : keyMaterial(key).passphraseRecipient;
  if (passphrase !== undefined) {
    if (extra.length === 0) return [passphrase];
    throw refusal(
      "An archive is encrypted to a passphrase or to recipients, not both.",
      "Use an identity (restbackup keygen) instead of the passphrase, or leave the recipients out.",
    );
  }
  const all = new Set([...(key?.recipients.slice(0, 1) ?? []), ...extra].map(({ text }) => text));
  if (all.size === 0) {
    throw refusal(
      "There is nothing to encrypt to: neither a key nor a recipient was given.",
      "Make a key with restbackup keygen, or give a recipient (--recipient, input recipients).",
    );
  }
  // age spec: one classic recipient would undo what the post-quantum ones are for.
  const postQuantum = [...all].filter((text) => text.startsWith("age1pq1"));
  if (postQuantum.length > 0 && postQuantum.length < all.size) {
    throw refusal(
      "Post-quantum recipients (age1pq1…) cannot be mixed with others (age1…).",
      "Use recipients, and a key, of one kind.",
    );
  }
  return [...all];
}

/**
 * Length of the header at the beginning of a file, or undefined when more of the file is needed to
 * tell. Throws `damaged` for what is no age file.
 */
export function headerSize(prefix: Buffer): number;
export function headerSize(prefix: Buffer, more: boolean): number | undefined;
export function headerSize(prefix: Buffer, more = false): number | undefined {
  const start = prefix.subarray(0, INTRO.length);
  if (!INTRO.subarray(0, start.length).equals(start)) {
    const armored = prefix.subarray(0, 64).includes("-----BEGIN AGE");
    throw new RestbackupError("damaged", "This is not an age file.", {
      hint: armored
        ? "It is in age's text form; archives are stored in binary."
        : "The archive is damaged at its very beginning, or it is something else.",
    });
  }
  const macLine = prefix.indexOf(MAC_LINE);
  const end = macLine < 0 ? -1 : prefix.indexOf(0x0a, macLine + MAC_LINE.length);
  if (end >= 0) return end + 1;
  if (more && prefix.length < MAX_HEADER) return undefined;
  throw new RestbackupError(
    "damaged",
    "The archive ends within its age header, or has a malformed one.",
  );
}

/** The file key of a header. Throws `wrong-key` or `damaged`. */
export async function openHeader(header: Buffer, key: SecretKey): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of keyMaterial(key).identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (error instanceof RestbackupError) throw error;
    if (!(error instanceof Error) || !error.message.startsWith("no identity matched")) {
      throw new RestbackupError("damaged", "The archive's age header is damaged.", {
        cause: error,
      });
    }
    throw wrongKey(header, key);
  }
}

function wrongKey(header: Buffer, key: SecretKey): RestbackupError {
  const toPassphrase = header.includes("\n-> scrypt ");
  const hint =
    toPassphrase && key.kind === "identities"
      ? "It is encrypted to a passphrase, and an identity was given."
      : !toPassphrase && key.kind === "passphrase"
        ? "It is encrypted to recipients, and a passphrase was given: use the identity of one of them."
        : toPassphrase
          ? "The passphrase is another one."
          : "It was encrypted to other recipients. Keys that were replaced can be kept in the key file, one a line.";
  return new RestbackupError("wrong-key", "The archive cannot be opened with this key.", { hint });
}
