import { Refusal } from "./refusal.ts";

export interface TurnsOptions {
  readonly atOnce: number;
  readonly mostWaiting: number;
  /** What is said, with a 503, when still more come. */
  readonly tooMany: string;
}

/** Lets work that is heavy be done by a few at a time, and others wait, in the order they came. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Does the work when its turn comes. Throws a 503 when too many wait already. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const { atOnce, mostWaiting, tooMany } = this.#options;
    if (this.#running < atOnce) {
      this.#running += 1;
    } else {
      if (this.#waiting.length >= mostWaiting) {
        throw new Refusal(503, tooMany, { "Retry-After": "5" });
      }
      // Whoever ends hands its place over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
