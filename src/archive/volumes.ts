import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { BatchWriter } from "../batch-writer.ts";
import { ioError } from "../errors.ts";
import { free } from "../memory.ts";

/** One finished volume of an archive, in a file of its own. */
export interface Volume {
  /** Position in the set, from 0. */
  readonly index: number;
  /** Whether the archive ends with it. */
  readonly last: boolean;
  readonly file: string;
  readonly size: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

interface VolumeSet<T> {
  /** Bytes of the whole archive. */
  readonly size: number;
  /** SHA-256 of the whole archive, hex. */
  readonly sha256: string;
  /** What the stream returned at its end. */
  readonly returned: T;
}

/**
 * Cuts a stream, given in batches of pieces, into volumes of a fixed size, each written to a file
 * of its own while the next pieces come. The pieces' memory comes with them, and is freed. Whoever
 * takes a volume removes its file; one not yet finished is removed here. Throws `io`, for instance
 * when the disk is full.
 */
export async function* cutVolumes<T>(
  stream: AsyncGenerator<readonly Uint8Array[], T>,
  options: { readonly volumeSize: number; readonly newFile: () => Promise<string> },
): AsyncGenerator<Volume, VolumeSet<T>> {
  let index = 0;
  let earlier = 0;
  // From the second volume on; the first one's own digest serves until then.
  let whole: Hash | undefined;
  let file = await VolumeFile.create(await options.newFile());
  try {
    let next = await stream.next();
    for (; next.done !== true; next = await stream.next()) {
      let batch = next.value;
      for (;;) {
        const [fits, rest] = splitAt(batch, options.volumeSize - file.size);
        if (whole !== undefined) for (const piece of fits) whole.update(piece);
        await file.append(fits);
        if (rest.length === 0) break;
        // More is to come, so the full one is not the last.
        whole ??= file.digest.copy();
        earlier += file.size;
        yield await file.finish(index, false);
        index += 1;
        file = await VolumeFile.create(await options.newFile());
        batch = rest;
      }
    }
    const size = earlier + file.size;
    const last = await file.finish(index, true);
    const sha256 = whole?.digest("hex") ?? last.sha256;
    yield last;
    return { size, sha256, returned: next.value };
  } finally {
    await stream.return(undefined as never);
    await file.discard();
  }
}

/** The first `length` bytes of a batch, and what is left of it. */
function splitAt(
  batch: readonly Uint8Array[],
  length: number,
): [readonly Uint8Array[], readonly Uint8Array[]] {
  let room = length;
  for (const [index, piece] of batch.entries()) {
    if (piece.length > room) {
      return [
        [...batch.slice(0, index), piece.subarray(0, room)],
        // A copy: the memory goes with the first part.
        [Buffer.from(piece.subarray(room)), ...batch.slice(index + 1)],
      ];
    }
    room -= piece.length;
  }
  return [batch, []];
}

/** Bytes written at once: some milliseconds' worth, so that another thread is worth waking. */
const WRITE_BYTES = 512 * 1024;

/** A volume being written. */
class VolumeFile {
  readonly digest = createHash("sha256");
  size = 0;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #writer: BatchWriter;
  #finished = false;

  static create(path: string): Promise<VolumeFile> {
    return preparing(async () => new VolumeFile(path, await open(path, "wx", 0o600)));
  }

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
    this.#writer = new BatchWriter(handle, {
      batchBytes: WRITE_BYTES,
      onWritten: (pieces) => free(...pieces),
    });
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      this.digest.update(piece);
      this.size += piece.length;
    }
    await preparing(() => this.#writer.write(...pieces), FULL);
  }

  async finish(index: number, last: boolean): Promise<Volume> {
    await preparing(() => this.#writer.end(), FULL);
    await preparing(() => this.#handle.close());
    this.#finished = true;
    return { index, last, file: this.#path, size: this.size, sha256: this.digest.digest("hex") };
  }

  async discard(): Promise<void> {
    if (this.#finished) return;
    await this.#writer.settle();
    await this.#handle.close().catch(() => {});
    await rm(this.#path, { force: true });
  }
}

const FULL =
  "Free some space in the temporary folder, point TMPDIR elsewhere, or use smaller volumes.";

async function preparing<T>(run: () => Promise<T>, hint?: string): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw ioError("Cannot prepare a volume for upload", error, hint);
  }
}
