import type { Command } from "commander";
import type { SecretKey } from "../../encryption/keys.ts";
import type { TrustedSigner } from "../../encryption/signing.ts";
import { RestbackupError } from "../../errors.ts";
import { parseName, printable } from "../../naming.ts";
import type { ArchiveEntry, EntrySelector } from "../../operations/entries.ts";
import type { Store } from "../../stores/store.ts";
import type { Context } from "../context.ts";
import { keyToRead, trustedSignersOf } from "../key-option.ts";
import { passphraseOf } from "../passphrase-option.ts";
import { repeatable } from "../repeatable.ts";
import { chooseStore, openToRead, requireStore } from "../store-option.ts";

/** Options of the commands that read one backup. */
export interface ReadingFlags {
  readonly name?: string;
  readonly at?: string;
  readonly trustedSigner?: readonly string[];
  readonly trustedSignersFile?: string;
  readonly passphraseFile?: string;
}

/** What reading one backup needs. */
export interface Reading extends EntrySelector {
  readonly store: Store;
  readonly key: SecretKey;
  readonly trustedSigners: readonly TrustedSigner[];
  readonly signal: AbortSignal;
  readonly legacy?: undefined;
  /** The backup that was found, where none was named. */
  readonly found?: ArchiveEntry | undefined;
}

/** What reading one archive of older tools needs. */
export interface LegacyReading extends EntrySelector {
  readonly store: Store;
  readonly passphrase: string | undefined;
  readonly signal: AbortSignal;
  readonly legacy: ArchiveEntry;
}

/** Adds `[entry]` and the options that say which backup is meant and whom to trust. */
export function addReadingOptions(command: Command): Command {
  return addReadingFlags(
    command.argument("[entry]", "a backup by its name in the list; without it, the latest"),
  );
}

/** The options alone. */
export function addReadingFlags(command: Command): Command {
  return command
    .option("--name <name>", "the latest backup of this NAME; needed where the store holds several")
    .option(
      "--at <time>",
      "the latest made at this time or before: 2026-11-23T09:40:12Z, or a date",
    )
    .option(
      "--trusted-signer <signer>",
      "whose signature proves a backup (restbackup-signer1…); may be repeated",
      repeatable,
    )
    .option("--trusted-signers-file <file>", "a file of such signers")
    .option(
      "--passphrase-file <file>",
      "a file that holds the passphrase of archives that older tools encrypted; by default RESTBACKUP_PASSPHRASE",
    );
}

/** Works out what is to be read, and opens the store. Whoever calls closes it. */
export async function openReading(
  context: Context,
  entry: string | undefined,
  flags: ReadingFlags,
): Promise<Reading | LegacyReading> {
  const selector = await selectorOf(entry, flags);
  const choice = await chooseStore(context);
  const trustedSigners = await trustedSignersOf(context, flags);
  await requireStore(choice);
  const { signal } = context;
  const named = selector.entry === undefined ? undefined : parseName(selector.entry);
  // Archives of older tools need none.
  const key = await keyToRead(context).catch((error: unknown) => {
    if (named !== undefined) throw error;
    return { error };
  });
  const store = await openToRead(choice, context);
  try {
    let found: ArchiveEntry | undefined;
    if (named === undefined) {
      const { findEntry } = await import("../../operations/entries.ts");
      found = await findEntry(store, selector, { signal, legacy: true });
    }
    if (found?.legacy !== undefined) {
      const passphrase = await passphraseIfAny(context, flags);
      return { ...selector, store, passphrase, signal, legacy: found };
    }
    if ("error" in key) throw key.error;
    return { ...selector, store, key: key.key, trustedSigners, signal, found };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Says when the latest is only taken for it because volumes of a newer one are missing. */
export async function warnOfIncomplete({ output }: Context, reading: Reading): Promise<void> {
  const { incompleteNewest } = await import("../../operations/newest.ts");
  const problem = await incompleteNewest(reading.store, reading, { signal: reading.signal });
  if (problem !== undefined) output.warn(problem.message);
}

async function passphraseIfAny(
  context: Context,
  { passphraseFile }: ReadingFlags,
): Promise<string | undefined> {
  if (passphraseFile === undefined && context.env.RESTBACKUP_PASSPHRASE === undefined) {
    return undefined;
  }
  return passphraseOf(context, passphraseFile);
}

async function selectorOf(
  entry: string | undefined,
  { name, at }: ReadingFlags,
): Promise<EntrySelector> {
  if (entry !== undefined && (name !== undefined || at !== undefined)) {
    throw new RestbackupError(
      "usage",
      "An entry says which backup is meant, and so do --name and --at.",
      {
        hint: "Give the entry, or --name and --at.",
      },
    );
  }
  if (entry !== undefined && parseName(entry) === undefined && !(await namesLegacy(entry))) {
    throw new RestbackupError("usage", `${printable(entry)} is not the name of an entry.`, {
      hint: `For the latest backup of that NAME: --name ${printable(entry)}. Entries are shown by: restbackup list.`,
    });
  }
  if (at === undefined) return { entry, name };
  const { parseTime } = await import("../../operations/units.ts");
  return { name, at: parseTime(at) };
}

async function namesLegacy(entry: string): Promise<boolean> {
  const { isLegacy } = await import("../../operations/entries.ts");
  return isLegacy(entry);
}
