import type { FileHandle } from "node:fs/promises";

const BATCH_BYTES = 128 * 1024;

interface BatchWriterOptions {
  /** Have the disk begin while more comes. */
  readonly syncEarly?: boolean;
  /** Bytes gathered for a write. */
  readonly batchBytes?: number;
  /** Told of pieces that are written: their memory is not looked at any more. */
  readonly onWritten?: (pieces: readonly Uint8Array[]) => void;
}

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
  readonly #batchMost: number;
  readonly #onWritten: ((pieces: readonly Uint8Array[]) => void) | undefined;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  /** The system tells of a failed write-back once only: not to the caller's own sync any more. */
  #syncFailure: { readonly error: unknown } | undefined;

  constructor(handle: FileHandle, options: BatchWriterOptions = {}) {
    this.#handle = handle;
    this.#syncEarly = options.syncEarly ?? false;
    this.#batchMost = options.batchBytes ?? BATCH_BYTES;
    this.#onWritten = options.onWritten;
  }

  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      this.#batch.push(piece);
      this.#batchBytes += piece.length;
    }
    if (this.#batchBytes >= this.#batchMost) await this.#flush();
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
    this.#writing = writeAll(this.#handle, batch).then(() => this.#onWritten?.(batch));
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
