import { randomBytes } from "node:crypto";
import { bech32 } from "@scure/base";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { scryptIdentity, scryptRecipient } from "./scrypt.ts";
import type { StanzaIdentity, StanzaRecipient } from "./stanzas.ts";
import { publicPoint, X25519_KEY, x25519Identity } from "./x25519.ts";

/** A public key that archives are encrypted to: `age1…` or, post-quantum, `age1pq1…`. */
export interface Recipient {
  readonly text: string;
}

/** What a key can do; kept apart from the key so that printing a key shows nothing. */
interface KeyMaterial {
  /** Secret bytes, newest identity first: what authentication keys are derived from. */
  readonly secrets: readonly Uint8Array[];
  readonly identities: readonly StanzaIdentity[];
  /** The text of all identities, where a post-quantum one is among them. */
  readonly withHybrid?: readonly string[] | undefined;
  readonly passphraseRecipient: StanzaRecipient | undefined;
}

const materials = new WeakMap<SecretKey, KeyMaterial>();

/** Age identities, or a passphrase: opens archives, and proves who wrote them. */
export class SecretKey {
  readonly kind: "identities" | "passphrase";
  /** The recipient of each identity, newest first; empty for a passphrase. */
  readonly recipients: readonly Recipient[];

  /** @internal */
  constructor(kind: SecretKey["kind"], recipients: readonly Recipient[], material: KeyMaterial) {
    this.kind = kind;
    this.recipients = recipients;
    materials.set(this, material);
  }
}

/** For this room only. */
export function keyMaterial(key: SecretKey): KeyMaterial {
  return materials.get(key)!;
}

const MIN_PASSPHRASE = 8;

/**
 * Reads a key as users hold it: the text of an age identity file (identities one a line, newest
 * first, `#` comments), or a passphrase on one line. White space around it does not count.
 *
 * Throws `usage`, never with the text in it.
 */
export async function parseKey(text: string): Promise<SecretKey> {
  const lines = contentLines(text);
  const [first] = lines;
  if (first === undefined) {
    throw refusal(
      "The key is empty.",
      "In a workflow this is what a secret that is not set looks like; pull requests from forks get none.",
    );
  }
  checkMistakes(text, first);
  if (lines.some((line) => looksLikeIdentity(line))) return identities(lines);

  const passphrase = text.trim();
  if (/[\r\n]/.test(passphrase)) {
    throw refusal("The key has several lines, and they are not age identities.", IDENTITY_HINT);
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(passphrase) || !passphrase.isWellFormed()) {
    throw refusal(
      "The passphrase holds control characters or is not valid Unicode.",
      "Copy it again.",
    );
  }
  if ([...passphrase].length < MIN_PASSPHRASE) {
    throw refusal(
      `The passphrase is shorter than ${MIN_PASSPHRASE} characters.`,
      "Use a longer one, or better a key made by: restbackup keygen.",
    );
  }
  return new SecretKey("passphrase", [], {
    secrets: [Buffer.from(passphrase, "utf8")],
    identities: [scryptIdentity(passphrase)],
    passphraseRecipient: scryptRecipient(passphrase),
  });
}

const IDENTITY_HINT =
  "A key is one or more lines AGE-SECRET-KEY-1… as restbackup keygen or age-keygen print them, or a passphrase on one line.";

async function identities(lines: readonly string[]): Promise<SecretKey> {
  const recipients: Recipient[] = [];
  const secrets: Uint8Array[] = [];
  const own: StanzaIdentity[] = [];
  for (const [index, line] of lines.entries()) {
    const where = lines.length === 1 ? "The key" : `Identity ${index + 1} of the key`;
    const decoded = decodeBech32(line);
    const hybrid = decoded?.prefix === HYBRID_SECRET_PREFIX;
    const known = hybrid || decoded?.prefix === SECRET_PREFIX;
    if (
      decoded === undefined ||
      !known ||
      decoded.bytes.length !== 32 ||
      line !== line.toUpperCase()
    ) {
      throw refusal(
        `${where} is not an age identity: mistyped, cut off or of another kind.`,
        IDENTITY_HINT,
      );
    }
    secrets.push(decoded.bytes);
    if (hybrid) {
      recipients.push({ text: await (await import("./post-quantum.ts")).hybridRecipient(line) });
    } else {
      recipients.push({ text: recipientOf(decoded.bytes) });
      own.push(x25519Identity(decoded.bytes));
    }
  }
  return new SecretKey("identities", recipients, {
    secrets,
    identities: own,
    withHybrid: own.length < lines.length ? lines : undefined,
    passphraseRecipient: undefined,
  });
}

/**
 * Also one that lost its end, or whose beginning is mistyped: taken for a passphrase, it would
 * encrypt backups that the real key does not open. Nobody's passphrase holds 40 bech32 capitals.
 */
function looksLikeIdentity(line: string): boolean {
  return /^age-(sec|plugin)/i.test(line) || /[02-9AC-HJ-NP-Z]{40}/.test(line);
}

/** Things people paste where a key belongs. */
function checkMistakes(text: string, first: string): void {
  if (/^age1[a-z0-9]{20,}$/.test(first)) {
    throw refusal(
      "The key is a recipient, the public half: it cannot open archives.",
      "To write archives that this machine cannot read, give it as recipient (--recipient, input recipients).",
    );
  }
  if (/^restbackup-sign/i.test(first)) {
    throw refusal(
      "The key is a signing key or signer, which opens no archive.",
      "Give it as signing key (input signing-key) or trusted signer (--trusted-signer, input trusted-signers).",
    );
  }
  if (/^-----BEGIN |^ssh-(rsa|ed25519|dss) /.test(first)) {
    throw refusal("The key is a PEM or SSH key, which is not used here.", IDENTITY_HINT);
  }
  if (/\$\{\{.*\}\}/s.test(text) || /^\$(\w+|\{\w+\}|\(.*\))$/.test(first)) {
    throw refusal(
      "The key is a placeholder that was not filled in.",
      "Check how the secret is passed.",
    );
  }
}

/**
 * Reads recipients: `age1…` and `age1pq1…`, separated by lines, white space or commas, with `#`
 * comments. Throws `usage`, showing what is wrong only when it cannot be a secret.
 */
export async function parseRecipients(text: string | readonly string[]): Promise<Recipient[]> {
  const found = new Set<string>();
  for (const word of words(text)) {
    if (/secret|signing/i.test(word)) {
      throw refusal(
        "A secret key was given where a recipient belongs.",
        "A recipient is public and starts with age1. Treat that key as exposed if this text is.",
      );
    }
    const valid = isPostQuantum(word)
      ? (await import("./post-quantum.ts")).isHybridRecipient(word)
      : recipientPoint(word) !== undefined;
    if (!valid) {
      throw refusal(
        word.startsWith("age1")
          ? `${printable(word)} is not a valid recipient: mistyped, cut off or of another kind.`
          : "Something that is no recipient was given as one.",
        "A recipient starts with age1 (or age1pq1), as restbackup keygen and age-keygen print it.",
      );
    }
    found.add(word);
  }
  return [...found].map((recipient) => ({ text: recipient }));
}

/** A new age identity, which is a secret, and its recipient, which is not. */
export async function generateIdentity(
  options: { readonly postQuantum?: boolean } = {},
): Promise<{ identity: string; recipient: string }> {
  if (options.postQuantum === true) {
    const { generateHybridIdentity, hybridRecipient } = await import("./post-quantum.ts");
    const identity = await generateHybridIdentity();
    return { identity, recipient: await hybridRecipient(identity) };
  }
  const scalar = randomBytes(X25519_KEY);
  const identity = bech32.encodeFromBytes(SECRET_PREFIX, scalar).toUpperCase();
  return { identity, recipient: recipientOf(scalar) };
}

const SECRET_PREFIX = "age-secret-key-";
const HYBRID_SECRET_PREFIX = "age-secret-key-pq-";
const RECIPIENT_PREFIX = "age";

function recipientOf(scalar: Uint8Array): string {
  return bech32.encodeFromBytes(RECIPIENT_PREFIX, publicPoint(scalar));
}

/** The public point in `age1…`; undefined for anything else. */
export function recipientPoint(text: string): Buffer | undefined {
  const { prefix, bytes } = decodeBech32(text) ?? {};
  const known = prefix === RECIPIENT_PREFIX && text.startsWith("age1");
  return known && bytes?.length === X25519_KEY ? Buffer.from(bytes) : undefined;
}

export function isPostQuantum(recipient: string): boolean {
  return recipient.startsWith("age1pq1");
}

function contentLines(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Words of a list, comments left out. */
export function words(text: string | readonly string[]): string[] {
  const lines = typeof text === "string" ? [text] : text;
  return lines
    .flatMap((line) => contentLines(line).flatMap((part) => part.split(/[\s,]+/)))
    .filter((word) => word !== "");
}

/** Decodes bech32 without its length limit; undefined for anything else. */
export function decodeBech32(text: string): { prefix: string; bytes: Uint8Array } | undefined {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text);
    return { prefix, bytes };
  } catch {
    return undefined;
  }
}

export function refusal(message: string, hint: string): RestbackupError {
  return new RestbackupError("usage", message, { hint });
}
