import { stat } from "node:fs/promises";
import type { Recipient, SecretKey } from "../encryption/keys.ts";
import type { SigningKey, TrustedSigner } from "../encryption/signing.ts";
import { RestbackupError, systemCode } from "../errors.ts";
import type { Store } from "../stores/store.ts";
import type { Context, Environment } from "./context.ts";
import { identityFile } from "./identity-file.ts";
import type { Output } from "./output.ts";
import { readNamedFile, readSecretFile, writeSecretFile } from "./secret-file.ts";
import type { StoreChoice } from "./store-option.ts";
import { defaultKeyFile } from "./user-folders.ts";

/** Where a key was found. */
export interface KeySource {
  readonly from: "--key-file" | "RESTBACKUP_KEY" | "default";
  /** The default key file. */
  readonly file?: string;
  /** It was made just now. */
  readonly created?: boolean;
}

export interface FoundKey {
  readonly key: SecretKey;
  readonly source: KeySource;
}

/** --key-file, or else RESTBACKUP_KEY: what was said in so many words. Throws `usage`. */
async function explicitKey({ options, env, output }: Context): Promise<FoundKey | undefined> {
  const { keyFile } = options;
  if (keyFile !== undefined) {
    const text = await readSecretFile(keyFile, "key file", output);
    return found(text, { from: "--key-file" }, output);
  }
  const { RESTBACKUP_KEY: variable } = env;
  if (variable === undefined) return undefined;
  if (variable.trim() === "") {
    throw new RestbackupError("usage", "RESTBACKUP_KEY is set, but empty.", {
      hint: "In a workflow this is what a secret that is not set looks like. To use the key file of this user, unset it.",
    });
  }
  return found(variable, { from: "RESTBACKUP_KEY" }, output);
}

/** The key file in the user's config folder, if there is one. */
async function defaultKey({ env, output }: Context): Promise<FoundKey | undefined> {
  const file = userKeyFile(env);
  if (file === undefined || !(await exists(file))) return undefined;
  return found(await readSecretFile(file, "key file", output), { from: "default", file }, output);
}

/** A key to read backups with. Throws `usage` when there is none. */
export async function keyToRead(context: Context): Promise<FoundKey> {
  const key = (await explicitKey(context)) ?? (await defaultKey(context));
  if (key !== undefined) return key;
  throw new RestbackupError("usage", "There is no key to read the backup with.", {
    hint: `Give --key-file FILE or RESTBACKUP_KEY${orPutItAt(context.env)}.`,
  });
}

/** What a backup is encrypted to. */
export interface KeyToWrite {
  readonly found: FoundKey | undefined;
  readonly recipients: readonly Recipient[];
}

/**
 * A key to make backups with, before anything is opened. Recipients without a key that was named
 * mean a machine that writes only: the default key file is left aside then. `found` is undefined
 * also where the embedded store lets the first backup make a key; see {@link makeFirstKey}. Throws
 * `usage` when there is nothing to encrypt to.
 */
export async function keyToWrite(
  context: Context,
  choice: StoreChoice,
  texts: readonly string[],
): Promise<KeyToWrite> {
  const { parseRecipients } = await import("../encryption/keys.ts");
  const recipients = await parseRecipients(texts);
  for (const { text } of recipients) context.output.detail(`recipient: ${text}`);
  if (texts.length > 0 && recipients.length === 0) {
    throw new RestbackupError("usage", "The recipients that were given are empty.");
  }
  const explicit = await explicitKey(context);
  if (explicit !== undefined || recipients.length > 0) return { found: explicit, recipients };
  const key = await defaultKey(context);
  if (key !== undefined || choice.from === "embedded") return { found: key, recipients };
  throw new RestbackupError("usage", "There is no key to encrypt the backup with.", {
    hint: `Make one with restbackup keygen -o key.txt, keep a copy, and give --key-file key.txt, RESTBACKUP_KEY${orPutItAt(context.env)}; or give --recipient age1….`,
  });
}

/**
 * Makes the user's key file, for the first backup into the embedded store. Throws `usage` where
 * that store holds backups already: then their key is missing, and a new one would not open them.
 */
export async function makeFirstKey(context: Context, store: Store): Promise<FoundKey> {
  const file = defaultKeyFile(context.env);
  const { listEntries } = await import("../operations/entries.ts");
  if ((await listEntries(store, { signal: context.signal })).length > 0) {
    // Another first backup may have made it just now.
    const meanwhile = await defaultKey(context);
    if (meanwhile !== undefined) return meanwhile;
    throw new RestbackupError(
      "usage",
      `There is no key at ${file}, but ${store.description} holds backups already.`,
      {
        hint: `If you have a copy of their key, put it there. To go on with a new one, which does not open them: restbackup keygen -o ${file}`,
      },
    );
  }
  const { generateIdentity } = await import("../encryption/keys.ts");
  const pair = await generateIdentity();
  await writeSecretFile(file, identityFile(pair, new Date())).catch((error: unknown) => {
    // Another first backup was faster: its key is as good.
    if (!(error instanceof RestbackupError) || error.code !== "target-exists") throw error;
  });
  const text = await readSecretFile(file, "key file", context.output);
  return found(text, { from: "default", file, created: true }, context.output);
}

/** --signing-key-file, or else RESTBACKUP_SIGNING_KEY. Throws `usage`. */
export async function signingKeyOf(
  { env, output }: Context,
  file: string | undefined,
): Promise<SigningKey | undefined> {
  const text =
    file === undefined
      ? env.RESTBACKUP_SIGNING_KEY
      : await readSecretFile(file, "signing key file", output);
  if (text === undefined) return undefined;
  if (file === undefined && text.trim() === "") {
    throw new RestbackupError("usage", "RESTBACKUP_SIGNING_KEY is set, but empty.", {
      hint: "In a workflow this is what a secret that is not set looks like. To sign nothing, unset it.",
    });
  }
  const { parseSigningKey } = await import("../encryption/signing.ts");
  const signingKey = parseSigningKey(text);
  const from = file === undefined ? "RESTBACKUP_SIGNING_KEY" : "--signing-key-file";
  output.detail(`signs as: ${signingKey.signer}, from ${from}`);
  return signingKey;
}

/** --trusted-signer and --trusted-signers-file, or else RESTBACKUP_TRUSTED_SIGNERS. Throws `usage`. */
export async function trustedSignersOf(
  { env, output }: Context,
  given: { readonly trustedSigner?: readonly string[]; readonly trustedSignersFile?: string },
): Promise<TrustedSigner[]> {
  const texts = [...(given.trustedSigner ?? [])];
  if (given.trustedSignersFile !== undefined) {
    texts.push(await readNamedFile(given.trustedSignersFile, "trusted signers file"));
  }
  if (texts.length === 0) texts.push(env.RESTBACKUP_TRUSTED_SIGNERS ?? "");
  const { parseTrustedSigners } = await import("../encryption/signing.ts");
  const signers = parseTrustedSigners(texts);
  for (const { text } of signers) output.detail(`trusts: ${text}`);
  return signers;
}

async function found(text: string, source: KeySource, output: Output): Promise<FoundKey> {
  const { parseKey } = await import("../encryption/keys.ts");
  const key = await parseKey(text);
  const publicHalf =
    key.kind === "passphrase" ? "a passphrase" : key.recipients.map(({ text }) => text).join(", ");
  output.detail(`key: ${publicHalf}, from ${source.file ?? source.from}`);
  return { key, source };
}

/** The default key file; undefined for a user without a home, who may well do without. */
function userKeyFile(env: Environment): string | undefined {
  try {
    return defaultKeyFile(env);
  } catch {
    return undefined;
  }
}

function orPutItAt(env: Environment): string {
  const file = userKeyFile(env);
  return file === undefined ? "" : `, or put it at ${file}`;
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}
