import { hash } from "node:crypto";
import type { PackedSegment } from "./packer.ts";

/**
 * Digests of small files: the packer, which everything waits for, leaves them to the thread that takes
 * its frames. It writes lines with {@link NO_DIGEST} in the digest's place, and says where that is.
 */

export const NO_DIGEST = "0".repeat(64);

/** Numbers for each file: its segment, the place in the segment's lines, where its content begins in the frame, its length. */
const FIELDS = 4;

/** Those to be made of one frame's content. */
export class WantedDigests {
  #wanted: number[] = [];

  add(segment: number, place: number, begin: number, length: number): void {
    this.#wanted.push(segment, place, begin, length);
  }

  take(): Uint32Array {
    const taken = Uint32Array.from(this.#wanted);
    this.#wanted = [];
    return taken;
  }
}

/** Makes digests of frames, and writes them into segments, which come after the frames they are about. */
export class Digester {
  readonly #made = new Map<number, { readonly place: number; readonly sha256: string }[]>();

  frame(content: Uint8Array, wanted: Uint32Array): void {
    for (let i = 0; i < wanted.length; i += FIELDS) {
      const segment = wanted[i]!;
      const place = wanted[i + 1]!;
      const begin = wanted[i + 2]!;
      const end = begin + wanted[i + 3]!;
      const sha256 = hash("sha256", content.subarray(begin, end), "hex");
      const made = this.#made.get(segment);
      if (made === undefined) this.#made.set(segment, [{ place, sha256 }]);
      else made.push({ place, sha256 });
    }
  }

  /** Completes the lines. */
  segment({ number, lines }: PackedSegment): void {
    const { buffer, byteOffset, length } = lines;
    const text = Buffer.from(buffer as ArrayBuffer, byteOffset, length);
    for (const { place, sha256 } of this.#made.get(number) ?? [])
      text.write(sha256, place, "latin1");
    this.#made.delete(number);
  }
}
