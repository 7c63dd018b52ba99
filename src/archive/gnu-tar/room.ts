import fs from "node:fs";
import { RestbackupError } from "../../errors.ts";

/** How much is written before the disk is asked again: less, the less is free. */
const INTERVAL = { least: 2 ** 20, most: 64 * 2 ** 20 } as const;
/** What an entry is taken to cost besides its content. */
const ENTRY = 4096;

/**
 * Keeps an archive of which nothing tells the size, and which may unpack to a thousand times of
 * what it is, from filling the disk: a hundredth of it stays free.
 */
export class Room {
  readonly #folder: string;
  readonly #maxBytes: number;
  #bytes = 0;
  /** Bytes that may be written before the disk is asked again. */
  #unasked = 0;

  /** @param maxBytes of content that may be written in all. */
  constructor(folder: string, maxBytes = Number.POSITIVE_INFINITY) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** To be told of every entry. */
  entry(): void {
    this.#used(ENTRY);
  }

  /** To be told of content before it is written. Throws `io`. */
  content(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) {
      throw new RestbackupError(
        "io",
        `The restored files take more than the ${this.#maxBytes} bytes that were allowed.`,
        { hint: "Allow more with --max-size, or leave it out." },
      );
    }
    this.#used(bytes);
  }

  #used(bytes: number): void {
    this.#unasked -= bytes;
    if (this.#unasked >= 0) return;
    const { bavail, blocks, bsize, ffree, files } = fs.statfsSync(this.#folder);
    // Some file systems count no inodes.
    const entries = files === 0 ? Number.POSITIVE_INFINITY : ffree - files / 100;
    const spare = Math.min((bavail - blocks / 100) * bsize, entries * ENTRY);
    this.#unasked = Math.max(INTERVAL.least, Math.min(INTERVAL.most, spare / 4));
    if (spare > bytes) return;
    throw new RestbackupError(
      "io",
      "The restored files do not fit: the disk where they would go is full but for a hundredth.",
      { hint: "Free some space, or restore elsewhere with --to." },
    );
  }
}
