import { BatchWriter } from "../batch-writer.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { openScratchFile, type ScratchFile } from "./scratch-file.ts";
import type { TransferOptions } from "./store.ts";

/** Objects kept at once: the first and last volume of an archive, and the one being read. */
const KEPT = 3;
const PIECE = 256 * 2 ** 10;

/** Fetches an object from its first byte to its last, or throws. */
export type FetchWhole = (name: string, options: TransferOptions) => AsyncIterable<Uint8Array>;

/**
 * Parts of objects from a server that only sends them whole: each is fetched once into a scratch
 * file, and the last few used are kept until {@link close}. Objects never change, so neither do these.
 */
export class WholeObjects {
  readonly #fetch: FetchWhole;
  /** The one used last comes last. */
  readonly #kept = new Map<string, Promise<Fetched>>();

  constructor(fetch: FetchWhole) {
    this.#fetch = fetch;
  }

  /** Whether it was fetched, or is being. */
  has(name: string): boolean {
    return this.#kept.has(name);
  }

  /** Bytes `start` (inclusive) to `end` (exclusive, or the object's own). Throws `damaged`, `io`. */
  async *read(
    name: string,
    { start, end }: { readonly start: number; readonly end: number | undefined },
    options: TransferOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const fetched = await this.#fetched(name, options);
    if (start > fetched.size || (end !== undefined && end > fetched.size)) {
      throw new RestbackupError(
        "damaged",
        `"${printable(name)}" is shorter than the part that was asked for.`,
      );
    }
    yield* fetched.read(start, end ?? fetched.size);
  }

  /** Removes the scratch files. */
  async close(): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all(all.map(dispose));
  }

  async #fetched(name: string, options: TransferOptions): Promise<Fetched> {
    const known = this.#kept.get(name);
    const fetching = known ?? fetchWhole(this.#fetch(name, options));
    this.#kept.delete(name);
    this.#kept.set(name, fetching);
    try {
      if (known === undefined) await this.#dropOldest();
      return await fetching;
    } catch (error) {
      // Another time it may succeed.
      if (this.#kept.get(name) === fetching) this.#kept.delete(name);
      throw error;
    }
  }

  async #dropOldest(): Promise<void> {
    for (const [name, oldest] of this.#kept) {
      if (this.#kept.size <= KEPT) return;
      this.#kept.delete(name);
      await dispose(oldest);
    }
  }
}

async function dispose(fetching: Promise<Fetched>): Promise<void> {
  const fetched = await fetching.catch(() => undefined);
  await fetched?.dispose();
}

async function fetchWhole(content: AsyncIterable<Uint8Array>): Promise<Fetched> {
  const scratch = await openScratchFile("whole");
  try {
    const writer = new BatchWriter(scratch.handle);
    let size = 0;
    try {
      for await (const piece of content) {
        size += piece.length;
        // A source may use its memory again, and the writer keeps pieces for a while.
        await scratch.watch(writer.write(Buffer.from(piece)));
      }
      await scratch.watch(writer.end());
    } finally {
      await writer.settle();
    }
    return new Fetched(scratch, size);
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

/** One object, whole. Its file is closed when nobody reads from it any more. */
class Fetched {
  readonly size: number;
  readonly #scratch: ScratchFile;
  #readers = 0;
  #disposed = false;

  constructor(scratch: ScratchFile, size: number) {
    this.#scratch = scratch;
    this.size = size;
  }

  async *read(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    this.#readers += 1;
    try {
      for (let at = start; at < end; ) {
        // Given away with its memory (`ByteRange.givesAway`).
        const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, end - at));
        const { bytesRead } = await this.#scratch.watch(
          this.#scratch.handle.read(piece, 0, piece.length, at),
        );
        if (bytesRead === 0) throw new RestbackupError("io", "A temporary file became shorter.");
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    } finally {
      this.#readers -= 1;
      if (this.#disposed) await this.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    if (this.#readers === 0) await this.#scratch.remove();
  }
}
