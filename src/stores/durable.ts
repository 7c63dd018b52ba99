import { constants, existsSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "../errors.ts";

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
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
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
  await using handle = await open(path, "wx", 0o600);
  await handle.writeFile(content);
  await handle.sync();
}

const BATCH_BYTES = 128 * 1024;
/** After so many bytes the disk is made to begin, if wanted. */
const EARLY_SYNC_BYTES = 8 * 1024 * 1024;

/**
 * Writes pieces to a file in batches, one being written while the next is gathered, so that
 * hashing and receiving go on meanwhile. With `syncEarly` so does the disk: what is written is put
 * there in the background now and then, which spares the caller's own sync most of its wait.
 */
export class BatchWriter {
  readonly #handle: FileHandle;
  readonly #syncEarly: boolean;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  /** The system tells of a failed write-back once only: not to the caller's own sync any more. */
  #syncFailure: { readonly error: unknown } | undefined;

  constructor(handle: FileHandle, { syncEarly = false } = {}) {
    this.#handle = handle;
    this.#syncEarly = syncEarly;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#batch.push(piece);
    this.#batchBytes += piece.length;
    if (this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  /** Resolves when everything is handed to the operating system. */
  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
    await this.#syncing;
    this.#checkSynced();
  }

  /** Waits until nothing is under way, whether it worked or not: the file may then be closed. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#syncing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    this.#checkSynced();
    const batch = this.#batch;
    this.#unsynced += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    this.#writing = writeAll(this.#handle, batch);
    // Seen by the next flush; until then it must not count as unhandled.
    this.#writing.catch(() => {});
    if (this.#syncEarly && this.#unsynced >= EARLY_SYNC_BYTES) this.#sync();
  }

  #sync(): void {
    if (this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#handle.datasync().then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#syncFailure = { error };
        this.#syncing = undefined;
      },
    );
  }

  #checkSynced(): void {
    if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
  }
}

async function writeAll(handle: FileHandle, batch: Uint8Array[]): Promise<void> {
  let rest = batch;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest);
    rest = dropBytes(rest, bytesWritten);
  }
}

/** What is left of `pieces` after their first `count` bytes: a write may take only a part. */
function dropBytes(pieces: Uint8Array[], count: number): Uint8Array[] {
  let toDrop = count;
  const left: Uint8Array[] = [];
  for (const piece of pieces) {
    if (toDrop >= piece.length) {
      toDrop -= piece.length;
    } else {
      left.push(toDrop === 0 ? piece : piece.subarray(toDrop));
      toDrop = 0;
    }
  }
  return left;
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
