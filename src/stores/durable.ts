import {
  closeSync,
  constants,
  existsSync,
  fsync,
  open as openFile,
  openSync,
  writeFile,
} from "node:fs";
import { type FileHandle, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { systemCode } from "../errors.ts";

/*
 * A turn of Node's file threads costs twenty times what a call does that finds its answer in memory.
 * Opening a folder that was just written in, and closing what is synced, are such calls and made at
 * once (docs/decisions/0023-few-turns.md).
 */
const [open, write, sync] = [promisify(openFile), promisify(writeFile), promisify(fsync)];

/** Syncs under way, and those that begin when they end, by folder. */
const syncing = new Map<string, { readonly running: Promise<void>; next?: Promise<void> }>();

/**
 * Puts a folder's entries on stable storage: those there are at the time of the call. Calls that
 * come while the folder is being synced share one sync after that. Windows has no such call and
 * needs none.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const current = syncing.get(folder);
  if (current === undefined) {
    await startSync(folder);
  } else {
    // The sync under way may have begun before the caller's entry was made: the next one has not.
    current.next ??= current.running.catch(() => {}).then(() => startSync(folder));
    await current.next;
  }
}

function startSync(folder: string): Promise<void> {
  const running = syncNow(folder).finally(() => {
    const state = syncing.get(folder);
    if (state?.running === running && state.next === undefined) syncing.delete(folder);
  });
  syncing.set(folder, { running });
  return running;
}

async function syncNow(folder: string): Promise<void> {
  const folderFd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await sync(folderFd);
  } finally {
    closeSync(folderFd);
  }
}

/** Syncs each of some folders once. */
export async function syncFolders(folders: Iterable<string>): Promise<void> {
  await allOf([...new Set(folders)].map(syncFolder));
}

/** Makes a folder and those above it (0700); what was made survives a power cut. */
export async function makeFolder(folder: string): Promise<void> {
  // Mostly it is there, and asking is cheaper than making it again.
  if (existsSync(folder)) return;
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first !== undefined) await syncFoldersUpTo(folder, dirname(first));
}

/** Syncs `folder` and every folder above it up to and including `top`. */
export async function syncFoldersUpTo(folder: string, top: string): Promise<void> {
  const folders = [folder];
  for (let current = folder; current !== top && current !== dirname(current); ) {
    current = dirname(current);
    folders.push(current);
  }
  await syncFolders(folders);
}

/** Waits for all steps, whatever becomes of each, then throws what the first failed one threw. */
export async function allOf(steps: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(steps)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

/** Writes a small new file and puts its content on stable storage. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await write(file, content);
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/** After so many bytes the disk is made to begin. */
const EARLY_SYNC_BYTES = 8 * 1024 * 1024;

/**
 * Puts what is written to a file on stable storage in the background now and then, which spares the
 * writer's own sync most of its wait.
 */
export class EarlySync {
  readonly #handle: FileHandle;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  /** The system tells of a failed write-back once only: not to the writer's own sync any more. */
  #failure: { readonly error: unknown } | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** To be told of each write. Throws when an earlier sync failed. */
  wrote(bytes: number): void {
    this.#check();
    this.#unsynced += bytes;
    if (this.#unsynced < EARLY_SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#handle
      .datasync()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** Throws when a sync failed. */
  async end(): Promise<void> {
    await this.#syncing;
    this.#check();
  }

  /** Waits until nothing is under way, whether it worked or not: the file may then be closed. */
  async settle(): Promise<void> {
    await this.#syncing;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Runs a step that finds nothing to work on as often as not: a missing file is no failure. */
export async function ignoreMissing<T>(step: Promise<T>): Promise<T | undefined> {
  try {
    return await step;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
