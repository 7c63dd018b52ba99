import fs from "node:fs";
import { RestbackupError } from "../../errors.ts";

/** How often the disk is asked, in bytes written. */
const INTERVAL = 64 * 2 ** 20;
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
  #unasked = INTERVAL;

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
    this.#unasked += bytes;
    if (this.#unasked < INTERVAL) return;
    this.#unasked = 0;
    const { bavail, blocks, ffree, files } = fs.statfsSync(this.#folder);
    // Some file systems count no inodes.
    if (bavail >= blocks / 100 && ffree >= files / 100) return;
    throw new RestbackupError(
      "io",
      "The restored files do not fit: of the disk where they would go, less than a hundredth is free.",
      { hint: "Free some space, or restore elsewhere with --to." },
    );
  }
}
