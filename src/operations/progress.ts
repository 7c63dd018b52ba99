/** Where long work stands. Counters grow; a transfer that is retried takes its bytes back first. */
export interface Progress {
  readonly phase:
    | "packing"
    | "finishing"
    | "reading"
    | "restoring"
    | "verifying"
    | "placing"
    /** One object, as it is, on its way into the store or out of it. */
    | "storing"
    | "fetching";
  /** Entries handled so far. */
  readonly files: number;
  /** Content bytes handled so far, uncompressed; in a backup with the headers around them. */
  readonly bytes: number;
  /** Bytes sent to or fetched from the store so far. */
  readonly storedBytes: number;
  /** All entries and content bytes, where known beforehand (restore and verify: from the list). */
  readonly totalFiles?: number;
  readonly totalBytes?: number;
}

/** Called a few times a second at most, and once at the end of each phase. */
export type OnProgress = (progress: Progress) => void;

type Counters = Pick<Progress, "files" | "bytes" | "storedBytes">;

const INTERVAL_MS = 200;

/** Adds up what the parts of an operation report, and passes it on now and then. */
export class ProgressMeter {
  readonly #onProgress: OnProgress | undefined;
  #progress: Progress = { phase: "packing", files: 0, bytes: 0, storedBytes: 0 };
  #reported = 0;

  constructor(onProgress: OnProgress | undefined, start: Partial<Progress> = {}) {
    this.#onProgress = onProgress;
    this.#progress = { ...this.#progress, ...start };
  }

  /** Goes on to a phase; the one before is reported as it ended. */
  enter(phase: Progress["phase"]): void {
    if (phase === this.#progress.phase) return;
    this.end();
    this.#progress = { ...this.#progress, phase };
  }

  /** Adds to the counters. */
  add(more: Partial<Counters>): void {
    this.set({
      files: this.#progress.files + (more.files ?? 0),
      bytes: this.#progress.bytes + (more.bytes ?? 0),
      storedBytes: this.#progress.storedBytes + (more.storedBytes ?? 0),
    });
  }

  /** Replaces counters. */
  set(now: Partial<Omit<Progress, "phase">>): void {
    this.#progress = { ...this.#progress, ...now };
    const time = performance.now();
    if (time - this.#reported < INTERVAL_MS) return;
    this.#reported = time;
    this.#onProgress?.(this.#progress);
  }

  /** Reports where things stand, whenever that was last done. */
  end(): void {
    this.#onProgress?.(this.#progress);
  }
}
