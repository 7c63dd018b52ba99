import type { FileHandle } from "node:fs/promises";

const BATCH_BYTES = 128 * 1024;

interface BatchWriterOptions {
  /** Bytes gathered for a write. */
  readonly batchBytes?: number;
  /** Told of pieces that are written: their memory is not looked at any more. */
  readonly onWritten?: (pieces: readonly Uint8Array[]) => void;
}

/**
 * Writes pieces to a file in batches, one being written while the next is gathered, so that
 * hashing and receiving go on meanwhile.
 */
export class BatchWriter {
  readonly #handle: FileHandle;
  readonly #batchMost: number;
  readonly #onWritten: ((pieces: readonly Uint8Array[]) => void) | undefined;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle, options: BatchWriterOptions = {}) {
    this.#handle = handle;
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
  }

  /** Waits until nothing is under way, whether it worked or not: the file may then be closed. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    this.#writing = writeAll(this.#handle, batch).then(() => this.#onWritten?.(batch));
    // Seen by the next flush; until then it must not count as unhandled.
    this.#writing.catch(() => {});
  }
}

/** Writes pieces one after the other, where the last write ended. */
export async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest);
    rest = dropBytes(rest, bytesWritten);
  }
}

/** What is left of `pieces` after their first `count` bytes: a write may take only a part. */
function dropBytes(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
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
