import { link, lstat, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { ignoreMissing, makeFolder, syncFolder, writeDurably } from "../stores/durable.ts";
import { isAbandoned, temporaryName } from "../stores/temporary-files.ts";
import { addHashParameters } from "./account-record.ts";
import { withLock } from "./lock.ts";

/** The layout is documented in `docs/server.md`, "The data folder". */
const FORMAT = "restbackup server data";
const VERSION = 2;

/** For each earlier version what makes it the next one; done again after a crash, it must not harm. */
const UPGRADES: Readonly<Record<number, (dataDir: string) => Promise<void>>> = {
  1: async (dataDir) => {
    for (const username of await usernamesIn(dataDir)) {
      const path = recordPath(dataDir, username);
      const upgraded = addHashParameters(await readFile(path, "utf8"));
      if (upgraded !== undefined) await replaceJson(path, upgraded);
    }
  },
};

export function recordPath(dataDir: string, username: string): string {
  return join(dataDir, "accounts", `${username}.json`);
}

export function archivesPath(dataDir: string, username: string): string {
  return join(dataDir, "archives", username);
}

/**
 * Makes the data folder where it is missing, brings one of an earlier version up to date, and
 * removes what killed commands left in it. Throws `usage` when a later version made it.
 */
export async function prepareDataFolder(dataDir: string): Promise<void> {
  await makeFolder(join(dataDir, "accounts"));
  await makeFolder(join(dataDir, "archives"));
  if ((await readVersion(dataDir)) !== VERSION) await withDataLock(dataDir, () => upgrade(dataDir));
  for (const folder of [dataDir, join(dataDir, "accounts")]) await clearLitter(folder);
}

/** Throws `not-found` when there is no data folder, `usage` when it is not of this version. */
export async function checkDataFolder(dataDir: string): Promise<void> {
  const version = await readVersion(dataDir);
  if (version === undefined) {
    throw new RestbackupError("not-found", `${printable(dataDir)} is no data folder of a server.`, {
      hint: "Check the path; it is the one given to: restbackup serve --data.",
    });
  }
  if (version !== VERSION) {
    throw new RestbackupError("usage", "The data folder is from an earlier restbackup.", {
      hint: "Start the server of this version once: it brings the folder up to date.",
    });
  }
}

async function upgrade(dataDir: string): Promise<void> {
  // Another process may have done it while the lock was waited for.
  for (let version = (await readVersion(dataDir)) ?? VERSION; version < VERSION; version += 1) {
    await UPGRADES[version]!(dataDir);
  }
  await replaceJson(versionPath(dataDir), { format: FORMAT, version: VERSION });
}

function versionPath(dataDir: string): string {
  return join(dataDir, "version.json");
}

/** Undefined for a folder that is new. Throws `usage` for what this version cannot serve. */
async function readVersion(dataDir: string): Promise<number | undefined> {
  const text = await ignoreMissing(readFile(versionPath(dataDir), "utf8"));
  if (text === undefined) return undefined;
  let found: { format?: unknown; version?: unknown } | null;
  try {
    found = JSON.parse(text) as typeof found;
  } catch {
    found = null;
  }
  const version = Number(found?.version);
  if (found?.format !== FORMAT || !Number.isInteger(version) || version < 1) {
    throw new RestbackupError("usage", `${printable(dataDir)} is no data folder of a server.`, {
      hint: "Give an empty folder, or the one that the server had until now.",
    });
  }
  if (version > VERSION) {
    throw new RestbackupError(
      "usage",
      `The data folder has version ${version}, and this restbackup knows versions up to ${VERSION}.`,
      { hint: "Use the restbackup that made it, or a later one." },
    );
  }
  return version;
}

/** The usernames that have a record, sorted. */
export async function usernamesIn(dataDir: string): Promise<string[]> {
  const files = await readdir(join(dataDir, "accounts"));
  return files.flatMap((file) => /^([a-zA-Z0-9]{1,64})\.json$/.exec(file)?.[1] ?? []).sort();
}

/** Runs `change` while no other process, and nobody else in this one, changes the data folder. */
export async function withDataLock<T>(dataDir: string, change: () => Promise<T>): Promise<T> {
  return await withLock(join(dataDir, "lock"), change);
}

/** Writes a new JSON file (0600), whole or not at all. Throws EEXIST when it is there. */
export async function writeNewJson(path: string, value: unknown): Promise<void> {
  await placeJson(path, value, link);
}

/** Replaces a JSON file (0600) in one step: readers find the old or the new one, also after a crash. */
export async function replaceJson(path: string, value: unknown): Promise<void> {
  await placeJson(path, value, rename);
}

async function placeJson(
  path: string,
  value: unknown,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), temporaryName("meta"));
  try {
    await writeDurably(temporary, `${JSON.stringify(value)}\n`);
    await place(temporary, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(temporary, { force: true });
  }
}

async function clearLitter(folder: string): Promise<void> {
  const now = new Date();
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".meta")) continue;
    const stats = await ignoreMissing(lstat(join(folder, name)));
    if (stats !== undefined && isAbandoned(name, stats.mtime, now)) {
      await rm(join(folder, name), { force: true });
    }
  }
}
