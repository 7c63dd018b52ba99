import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync, writevSync } from "node:fs";
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
  let file = new VolumeFile(await options.newFile());
  try {
    let next = await stream.next();
    for (; next.done !== true; next = await stream.next()) {
      let batch = next.value;
      for (;;) {
        const [fits, rest] = splitAt(batch, options.volumeSize - file.size);
        file.append(fits);
        if (whole !== undefined) for (const piece of fits) whole.update(piece);
        if (rest.length === 0) break;
        // More is to come, so the full one is not the last.
        whole ??= file.digest.copy();
        earlier += file.size;
        yield file.finish(index, false);
        index += 1;
        file = new VolumeFile(await options.newFile());
        batch = rest;
      }
    }
    const size = earlier + file.size;
    const last = file.finish(index, true);
    const sha256 = whole?.digest("hex") ?? last.sha256;
    yield last;
    return { size, sha256, returned: next.value };
  } finally {
    await stream.return(undefined as never);
    file.discard();
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

/** A volume being written. Synchronous, since the worker it is made in has nothing else to wait for. */
class VolumeFile {
  readonly digest = createHash("sha256");
  size = 0;
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#fd = preparing(() => openSync(path, "wx", 0o600));
  }

  append(pieces: readonly Uint8Array[]): void {
    let length = 0;
    for (const piece of pieces) {
      this.digest.update(piece);
      length += piece.length;
    }
    if (length === 0) return;
    const fd = this.#fd!;
    preparing(() => {
      let written = writevSync(fd, pieces as Uint8Array[]);
      if (written === length) return;
      // A full disk may take a part first and refuse at the next call.
      const whole = Buffer.concat(pieces);
      while (written < length) written += writeSync(fd, whole, written);
    }, "Free some space in the temporary folder, point TMPDIR elsewhere, or use smaller volumes.");
    this.size += length;
  }

  finish(index: number, last: boolean): Volume {
    const fd = this.#fd!;
    this.#fd = undefined;
    try {
      preparing(() => closeSync(fd));
    } catch (error) {
      rmSync(this.#path, { force: true });
      throw error;
    }
    return { index, last, file: this.#path, size: this.size, sha256: this.digest.digest("hex") };
  }

  discard(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}

function preparing<T>(run: () => T, hint?: string): T {
  try {
    return run();
  } catch (error) {
    throw ioError("Cannot prepare a volume for upload", error, hint);
  }
}
