import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { ioError } from "../errors.ts";

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
 * of its own. Whoever takes a volume removes its file; one not yet finished is removed here.
 * Throws `io`, for instance when the disk is full.
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
        await file.append(fits);
        if (whole !== undefined) for (const piece of fits) whole.update(piece);
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
        [piece.subarray(room), ...batch.slice(index + 1)],
      ];
    }
    room -= piece.length;
  }
  return [batch, []];
}

/** A volume being written. */
class VolumeFile {
  readonly digest = createHash("sha256");
  size = 0;
  readonly #path: string;
  #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<VolumeFile> {
    try {
      return new VolumeFile(path, await open(path, "wx", 0o600));
    } catch (error) {
      throw ioError("Cannot prepare a volume for upload", error);
    }
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    let length = 0;
    for (const piece of pieces) {
      this.digest.update(piece);
      length += piece.length;
    }
    if (length === 0) return;
    try {
      let { bytesWritten } = await this.#handle!.writev(pieces as Uint8Array[]);
      // A full disk may take a part first and refuse at the next call.
      for (let rest = Buffer.alloc(0); bytesWritten < length; ) {
        if (rest.length === 0) rest = Buffer.concat(pieces).subarray(bytesWritten);
        const more = await this.#handle!.write(rest);
        rest = rest.subarray(more.bytesWritten);
        bytesWritten += more.bytesWritten;
      }
    } catch (error) {
      throw ioError(
        "Cannot prepare a volume for upload",
        error,
        "Free some space in the temporary folder, point TMPDIR elsewhere, or use smaller volumes.",
      );
    }
    this.size += length;
  }

  async finish(index: number, last: boolean): Promise<Volume> {
    const handle = this.#handle!;
    this.#handle = undefined;
    try {
      await handle.close();
    } catch (error) {
      await rm(this.#path, { force: true });
      throw ioError("Cannot prepare a volume for upload", error);
    }
    return { index, last, file: this.#path, size: this.size, sha256: this.digest.digest("hex") };
  }

  async discard(): Promise<void> {
    if (this.#handle === undefined) return;
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}
