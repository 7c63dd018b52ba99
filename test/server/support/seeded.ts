import { createCipheriv, createHash } from "node:crypto";

/** Numbers that look random and are the same for equal seeds, so that a failure can be had again. */
export class Seeded {
  readonly #seed: string;
  #drawn = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#drawn += 1;
    const hash = createHash("sha256").update(`${this.#seed} ${this.#drawn}`).digest();
    return Math.floor((hash.readUIntBE(0, 6) / 2 ** 48) * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

/** Content that no other seed has, and that does not compress. */
export function seededBytes(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}
