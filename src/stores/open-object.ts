import { closeSync, readv } from "node:fs";
import { promisify } from "node:util";
import { RestbackupError } from "../errors.ts";
import type { DirectoryObject } from "./directory.ts";
import { giveBuffers, takeBuffers } from "./shared-buffers.ts";

const readInto = promisify(readv);

/** An object that is held open, so that what is read is what is known of it. */
export class OpenObject implements Disposable {
  readonly object: DirectoryObject;
  readonly #fd: number;

  /** Takes over the file descriptor. */
  constructor(object: DirectoryObject, fd: number) {
    this.object = object;
    this.#fd = fd;
  }

  /**
   * The bytes from `start` (inclusive) to `end` (exclusive), for passing on: pieces share memory. One
   * is the caller's until it asks for the next, which is read meanwhile, or leaves. Throws `damaged`
   * when the file ends before, and what the system throws.
   */
  async *read(part: {
    readonly start: number;
    readonly end: number;
  }): AsyncGenerator<Uint8Array, void, undefined> {
    let position = part.start;
    const readOn = (): { buffers: Buffer[]; filled: Promise<void> } | undefined => {
      if (position >= part.end) return undefined;
      const buffers = takeBuffers(part.end - position);
      const filled = this.#fill(buffers, position);
      // Its failure is the next turn's; until then it must not count as unhandled.
      filled.catch(() => {});
      for (const { length } of buffers) position += length;
      return { buffers, filled };
    };
    let sending: readonly Buffer[] = [];
    let ahead = readOn();
    try {
      while (ahead !== undefined) {
        const { buffers, filled } = ahead;
        [sending, ahead] = [buffers, undefined];
        await filled;
        ahead = readOn();
        yield* buffers;
        giveBuffers(buffers);
        sending = [];
      }
    } finally {
      // The file must not be closed under a read, nor memory used that it reads into.
      await ahead?.filled.catch(() => {});
      giveBuffers([...sending, ...(ahead?.buffers ?? [])]);
    }
  }

  async #fill(buffers: readonly Buffer[], position: number): Promise<void> {
    const wanted = buffers.reduce((sum, { length }) => sum + length, 0);
    const { bytesRead } = await readInto(this.#fd, buffers, position);
    if (bytesRead < wanted) {
      throw new RestbackupError("damaged", `A file ends at byte ${position + bytesRead}.`);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
