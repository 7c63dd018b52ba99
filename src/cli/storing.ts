import { basename } from "node:path";
import type { Command } from "commander";
import { RestbackupError } from "../errors.ts";
import type { BackupOptions, BackupResult } from "../operations/backup.ts";
import type { Store } from "../stores/store.ts";
import { durationInWords, quoted, sizeInWords, timeInWords, visible } from "../words.ts";
import type { Context } from "./context.ts";
import { type KeySource, keyToWrite, makeFirstKey, signingKeyOf } from "./key-option.ts";
import { objectInWords, table, totalsInWords } from "./present.ts";
import { repeatable } from "./repeatable.ts";
import { readNamedFile } from "./secret-file.ts";
import { chooseStore, openToWrite, type StoreChoice } from "./store-option.ts";

/** How a backup is encrypted, signed and stored. */
export interface StoringFlags {
  readonly recipient?: readonly string[];
  readonly recipientsFile?: string;
  readonly signingKeyFile?: string;
  readonly level?: string;
  readonly compressionLevel?: string;
  readonly volumeSize?: string;
}

/** The options of {@link StoringFlags}. */
export function addStoringOptions(command: Command): Command {
  return command
    .option(
      "--recipient <age1…>",
      "encrypt to this public key; may be repeated. Without --key-file and RESTBACKUP_KEY, to recipients alone: then this machine cannot read the backup",
      repeatable,
    )
    .option("--recipients-file <file>", "a file of recipients")
    .option("--signing-key-file <file>", "sign the backup with the key in this file")
    .option("--level <1-19>", "how hard to compress, as zstd counts; by default 3")
    .option("--compression-level <1-19>", "the same")
    .option(
      "--volume-size <size>",
      "store in volumes of at most this size; by default 256M, in a folder 4G",
    );
}

/** Where and how a backup is kept, as {@link BackupOptions} has it. */
export type Storing = Pick<
  BackupOptions,
  "store" | "key" | "recipients" | "signingKey" | "level" | "volumeSize"
>;

/** What a command tells of its result besides what every backup has. */
interface More {
  readonly rows: readonly (readonly [label: string, value: string])[];
  readonly json: object;
}

/**
 * Opens the store, finds or makes the key, makes a backup and tells what came of it. Throws `usage`
 * for options that cannot be, before anything is opened.
 */
export async function storeBackup<Result extends BackupResult>(
  context: Context,
  { name, flags }: { readonly name: string; readonly flags: StoringFlags },
  make: (how: Storing) => Promise<Result>,
  more: (result: Result) => More = () => ({ rows: [], json: {} }),
): Promise<void> {
  const { output } = context;
  const limits = await limitsOf(flags);
  const choice = await chooseStore(context);
  const recipientTexts = [
    ...(flags.recipient ?? []),
    ...(flags.recipientsFile === undefined
      ? []
      : [await readNamedFile(flags.recipientsFile, "recipients file")]),
  ];
  const { found, recipients } = await keyToWrite(context, choice, recipientTexts);
  const signingKey = await signingKeyOf(context, flags.signingKeyFile);

  const store = await openToWrite(choice, context);
  try {
    const key = found ?? (recipients.length === 0 ? await makeFirstKey(context, store) : undefined);
    if (key?.source.created === true) {
      output.warn(
        `a new key was made: ${key.source.file}. Keep a copy of it elsewhere: without it no restore is possible.`,
      );
    }
    const begun = performance.now();
    const result = await make({ store, key: key?.key, recipients, signingKey, ...limits });
    for (const object of result.objects) output.detail(objectInWords(object));
    const done: Done = {
      result,
      name,
      store,
      choice,
      source: key?.source,
      signer: signingKey?.signer,
      seconds: (performance.now() - begun) / 1000,
    };
    const { rows, json } = more(result);
    await output.summary(inWords(done, rows, context), { ...asJson(done, context), ...json });
  } finally {
    await store.close();
  }
}

async function limitsOf(flags: StoringFlags): Promise<{ level?: number; volumeSize?: number }> {
  const { level, compressionLevel = level, volumeSize } = flags;
  if (level !== undefined && level !== compressionLevel) {
    throw new RestbackupError("usage", "--level and --compression-level are the same; give one.");
  }
  if (compressionLevel !== undefined && !/^(1[0-9]|[1-9])$/.test(compressionLevel)) {
    throw new RestbackupError("usage", "The compression level is a whole number from 1 to 19.");
  }
  const { parseSize } = await import("../operations/units.ts");
  return {
    ...(compressionLevel === undefined ? {} : { level: Number(compressionLevel) }),
    ...(volumeSize === undefined ? {} : { volumeSize: parseSize(volumeSize) }),
  };
}

interface Done {
  readonly result: BackupResult;
  readonly name: string;
  readonly store: Store;
  readonly choice: StoreChoice;
  readonly source: KeySource | undefined;
  readonly signer: string | undefined;
  readonly seconds: number;
}

function inWords(done: Done, rows: More["rows"], context: Context): string[] {
  const { result, store, source, seconds } = done;
  const { totals, size, objects } = result;
  // A handful of bytes grows by the archive's own parts, which says nothing.
  const percent = size < totals.bytes ? ` (${Math.round((size / totals.bytes) * 100)} %)` : "";
  const authentic = result.authenticated.length > 0;
  return [
    `Backed up ${visible(result.entry)}`,
    ...table([
      ...rows,
      ["holds", totalsInWords(totals)],
      ["stored", `${sizeInWords(size)}${percent}, ${timeInWords(result.createtime)}`],
      ["volumes", String(objects.length)],
      ["at", store.description],
      ["took", durationInWords(seconds)],
      ...(source?.file === undefined ? [] : [["key", source.file] as const]),
      ["proof", proofInWords(result.authenticated)],
      ...(result.warnings.length === 0
        ? []
        : [["warnings", `${result.warnings.length}, above; the backup says which too`] as const]),
    ]),
    ...(authentic
      ? []
      : [
          "Nothing will prove who wrote this backup, for it was made with neither key nor signing key:",
          "restoring it takes --allow-unauthenticated.",
        ]),
    "To bring it back:",
    `  ${restoreCommand(done, context)}`,
  ];
}

function proofInWords(authenticated: BackupResult["authenticated"]): string {
  if (authenticated.length === 0) return "none: unauthenticated";
  const means = { key: "the secret key", signature: "the signing key" };
  return `authenticated by ${authenticated.map((one) => means[one]).join(" and ")}`;
}

function asJson(done: Done, context: Context) {
  const { result, name, store, source, seconds } = done;
  const { entry, createtime, size, sha256, totals, objects, authenticated, warnings } = result;
  return {
    entry,
    name,
    store: store.description,
    createtime,
    size,
    sha256,
    totals,
    objects,
    authenticated,
    warnings,
    seconds,
    keyFile: source?.file,
    keyCreated: source?.created ?? false,
    restore: restoreCommand(done, context),
  };
}

/** What to type to restore it, here and now. Nothing secret is in it. */
function restoreCommand(done: Done, { options }: Context): string {
  const { result, name, store, choice, source, signer } = done;
  const words = ["--to", `./${basename(name)}-restored`];
  if (choice.from === "--access-url-file") words.push("--access-url-file", options.accessUrlFile!);
  // The url of a server holds the password: there RESTBACKUP_ACCESS_URL has to be set.
  if (choice.from === "--store" && store.description.startsWith("file:")) {
    words.push("--store", store.description);
  }
  if (source === undefined) words.push("--key-file", "KEY-FILE");
  else if (source.from === "--key-file") words.push("--key-file", options.keyFile!);
  if (!result.authenticated.includes("key")) {
    if (signer === undefined) words.push("--allow-unauthenticated");
    else words.push("--trusted-signer", signer);
  }
  // What starts like an option is none only behind "--".
  const { entry } = result;
  const line = entry.startsWith("-") ? [...words, "--", entry] : [entry, ...words];
  const command = ["restbackup", "restore", ...line].map((word) => quoted(word)).join(" ");
  const needsUrl = choice.from === "--store" && !store.description.startsWith("file:");
  return needsUrl ? `RESTBACKUP_ACCESS_URL=… ${command}` : command;
}
