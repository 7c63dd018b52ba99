import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { RestbackupError, systemCode } from "../errors.ts";
import type { Store } from "../stores/store.ts";
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
  const { openStore } = await import("../stores/open.ts");
  return openStore(choice.url, { env: context.env, create: true });
}

/** Opens a store to read. Throws `not-found` when nothing was ever put into it. */
export async function openToRead(choice: StoreChoice, context: Context): Promise<Store> {
  await requireStore(choice);
  const { openStore } = await import("../stores/open.ts");
  return openStore(choice.url, { env: context.env });
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
