import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { RestbackupError, systemCode } from "../errors.ts";
import type { RetryPolicy } from "../stores/retry.ts";
import type { Store } from "../stores/store.ts";
import { durationInWords } from "../words.ts";
import type { Context } from "./context.ts";
import { readSecretFile } from "./secret-file.ts";
import { defaultStoreFolder } from "./user-folders.ts";

/** Which store is meant, and how that was said. */
export interface StoreChoice {
  /** May hold credentials: never printed. */
  readonly url: string;
  readonly from: "--store" | "--access-url-file" | "RESTBACKUP_ACCESS_URL" | "embedded";
  /** The folder of the embedded default. */
  readonly folder?: string;
}

/**
 * --store, --access-url-file, RESTBACKUP_ACCESS_URL, or else the folder of this user. Throws
 * `usage`, also for a variable that is set to nothing: a secret that is missing in a job must not
 * turn into a backup on a disk that is thrown away.
 */
export async function chooseStore({ options, env, output }: Context): Promise<StoreChoice> {
  const { store, accessUrlFile } = options;
  if (store !== undefined && accessUrlFile !== undefined) {
    throw new RestbackupError("usage", "Give --store or --access-url-file, not both.");
  }
  if (store !== undefined) return { url: store, from: "--store" };
  if (accessUrlFile !== undefined) {
    const text = await readSecretFile(accessUrlFile, "access url file", output);
    return { url: text.trim(), from: "--access-url-file" };
  }
  const { RESTBACKUP_ACCESS_URL: variable } = env;
  if (variable === "") {
    throw new RestbackupError("usage", "RESTBACKUP_ACCESS_URL is set, but empty.", {
      hint: "In a workflow this is what a secret that is not set looks like. To use the store of this machine, unset it.",
    });
  }
  if (variable !== undefined) return { url: variable, from: "RESTBACKUP_ACCESS_URL" };
  const folder = defaultStoreFolder(env);
  return { url: pathToFileURL(folder).href, from: "embedded", folder };
}

/** Opens a store to put something in. */
export async function openToWrite(choice: StoreChoice, context: Context): Promise<Store> {
  return open(choice, context, true);
}

/** Opens a store to read. Throws `not-found` when nothing was ever put into it. */
export async function openToRead(choice: StoreChoice, context: Context): Promise<Store> {
  await requireStore(choice);
  return open(choice, context, false);
}

async function open(choice: StoreChoice, context: Context, create: boolean): Promise<Store> {
  const { env, output } = context;
  const retry = await retryPolicy(context);
  const { openStore } = await import("../stores/open.ts");
  const onWhole = (notice: string) => output.warn(notice);
  const store = await openStore(choice.url, { env, create, retry, onWhole });
  const from = choice.from === "embedded" ? "the default" : `from ${choice.from}`;
  output.detail(`store: ${store.description}, ${from}`);
  return store;
}

/** How patient --retries says to be. Throws `usage`. */
async function retryPolicy({ options, output }: Context): Promise<RetryPolicy> {
  const { retries } = options;
  if (retries !== undefined && !/^(100|[1-9]?\d)$/.test(retries)) {
    throw new RestbackupError("usage", "--retries is a whole number from 0 to 100.");
  }
  const { DEFAULT_RETRY } = await import("../stores/retry.ts");
  return {
    ...DEFAULT_RETRY,
    ...(retries === undefined ? {} : { retries: Number(retries) }),
    onRetry: ({ message }, wait) =>
      output.detail(`retry: in ${durationInWords(wait / 1000)}, as this failed: ${message}`),
  };
}

/** Whether this is the embedded default, and no backup was made to it yet. */
export async function isUnused({ folder }: StoreChoice): Promise<boolean> {
  if (folder === undefined) return false;
  try {
    await stat(folder);
    return false;
  } catch (error) {
    return systemCode(error) === "ENOENT";
  }
}

/** Says what to do on a machine that has no backups yet. Throws `not-found` there. */
export async function requireStore(choice: StoreChoice): Promise<void> {
  if (!(await isUnused(choice))) return;
  throw new RestbackupError(
    "not-found",
    `There are no backups on this machine: no ${choice.url}.`,
    {
      hint: "Make one with: restbackup backup FOLDER. Backups elsewhere are reached with RESTBACKUP_ACCESS_URL or --store.",
    },
  );
}
