import { randomBytes } from "node:crypto";
import { RestbackupError } from "../errors.ts";
import {
  isPostQuantum,
  keyMaterial,
  type Recipient,
  recipientPoint,
  refusal,
  type SecretKey,
} from "./keys.ts";
import {
  encodeHeader,
  FILE_KEY,
  malformedHeader,
  parseHeader,
  type StanzaIdentity,
  type StanzaRecipient,
  VERSION_LINE,
} from "./stanzas.ts";
import { x25519Recipient } from "./x25519.ts";

/**
 * Opening and making age headers (age spec, "File header"): here for X25519 and passphrases, by way of
 * the age-encryption package where post-quantum keys are among those at hand. See
 * docs/decisions/0021.
 */

const INTRO = Buffer.from(`${VERSION_LINE}\n`, "latin1");
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
export async function createHeader(options: HeaderOptions): Promise<Header> {
  const { passphrase, texts } = checked(options);
  if (texts.some(isPostQuantum)) {
    const { createForHybrid } = await import("./post-quantum.ts");
    const { file, fileKey } = await createForHybrid(texts);
    return { bytes: file.subarray(0, headerSize(file)), fileKey };
  }
  const fileKey = randomBytes(FILE_KEY);
  const recipients = texts.map((text) => x25519Recipient(recipientPoint(text)!));
  if (passphrase !== undefined) recipients.push(passphrase);
  const stanzas = await Promise.all(recipients.map((recipient) => recipient.wrap(fileKey)));
  return { bytes: encodeHeader(stanzas, fileKey), fileKey };
}

/** A passphrase, or recipients that all are of one kind. */
function checked({ key, recipients: extra = [] }: HeaderOptions): {
  readonly passphrase?: StanzaRecipient;
  readonly texts: readonly string[];
} {
  const passphrase = key === undefined ? undefined : keyMaterial(key).passphraseRecipient;
  if (passphrase !== undefined) {
    if (extra.length === 0) return { passphrase, texts: [] };
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
  const postQuantum = [...all].filter(isPostQuantum);
  if (postQuantum.length > 0 && postQuantum.length < all.size) {
    throw refusal(
      "Post-quantum recipients (age1pq1…) cannot be mixed with others (age1…).",
      "Use recipients, and a key, of one kind.",
    );
  }
  return { texts: [...all] };
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
  const { identities, withHybrid } = keyMaterial(key);
  const fileKey =
    withHybrid === undefined
      ? await open(header, identities)
      : await (await import("./post-quantum.ts")).openWithHybrid(header, withHybrid);
  if (fileKey === undefined) throw wrongKey(header, key);
  return fileKey;
}

async function open(
  header: Buffer,
  identities: readonly StanzaIdentity[],
): Promise<Buffer | undefined> {
  const { stanzas, check } = parseHeader(header);
  // age spec, "scrypt": such a stanza is alone, whoever opens the file.
  if (stanzas.length > 1 && stanzas.some(({ args }) => args[0] === "scrypt")) {
    throw malformedHeader();
  }
  for (const identity of identities) {
    const fileKey = await identity.unwrap(stanzas);
    if (fileKey === undefined) continue;
    check(fileKey);
    return fileKey;
  }
  return undefined;
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
