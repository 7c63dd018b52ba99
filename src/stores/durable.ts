import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "../errors.ts";

/** Puts a folder's entries on stable storage. Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Syncs each of some folders once. */
export async function syncFolders(folders: Iterable<string>): Promise<void> {
  for (const folder of new Set(folders)) await syncFolder(folder);
}

/** Makes a folder and those above it (0700); what was made survives a power cut. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first !== undefined) await syncFoldersUpTo(folder, dirname(first));
}

/** Syncs `folder` and every folder above it up to and including `top`. */
export async function syncFoldersUpTo(folder: string, top: string): Promise<void> {
  for (let current = folder; ; current = dirname(current)) {
    await syncFolder(current);
    if (current === top || current === dirname(current)) return;
  }
}

/** Writes a small new file and puts its content on stable storage. */
export async function writeDurably(path: string, content: string): Promise<void> {
  await using handle = await open(path, "wx", 0o600);
  await handle.writeFile(content);
  await handle.sync();
}

const BATCH_BYTES = 1024 * 1024;

/**
 * Writes pieces to a file in batches, one being written while the next is gathered, so that
 * hashing and receiving go on meanwhile.
 */
export class BatchWriter {
  readonly #handle: FileHandle;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
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
  }

  /** Waits until no write is under way, whether it worked or not: the file may then be closed. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    this.#writing = writeAll(this.#handle, batch);
    // Seen by the next flush; until then it must not count as unhandled.
    this.#writing.catch(() => {});
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
