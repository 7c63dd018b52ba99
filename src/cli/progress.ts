import type { OnProgress, Progress } from "../operations/progress.ts";
import { countInWords, durationInWords, sizeInWords } from "../words.ts";
import type { Context } from "./context.ts";

const PLAIN_INTERVAL = 15;
const BAR_WIDTH = 20;

const DOING: Record<Progress["phase"], string> = {
  packing: "Packing",
  finishing: "Finishing",
  reading: "Reading",
  restoring: "Restoring",
  verifying: "Verifying",
  placing: "Placing",
  storing: "Storing",
  fetching: "Fetching",
};

/** How this command shows progress: a line that moves, lines now and then, or not at all. */
export function progressOf({ options, env, output }: Context): OnProgress | undefined {
  if (options.quiet === true || options.json === true || !options.progress) return undefined;
  const moving = process.stderr.isTTY && !env.CI && env.TERM !== "dumb";
  return moving
    ? movingProgress((line) => output.status(line))
    : plainProgress((line) => output.log(line));
}

/** A line that is replaced each time; `now` gives seconds. */
export function movingProgress(
  show: (line: string) => void,
  now: () => number = seconds,
): OnProgress {
  const rate = new Rate(now);
  return (progress) => show(progressLine(progress, rate.of(progress)));
}

/** Lines for a log: at most one every 15 seconds, none for what is done before. */
export function plainProgress(
  log: (line: string) => void,
  now: () => number = seconds,
): OnProgress {
  const rate = new Rate(now);
  let next = now() + PLAIN_INTERVAL;
  return (progress) => {
    const perSecond = rate.of(progress);
    if (now() < next) return;
    next = now() + PLAIN_INTERVAL;
    log(progressLine(progress, perSecond));
  };
}

/** Bytes a second over the last while, separately for each phase. */
class Rate {
  readonly #now: () => number;
  #phase: Progress["phase"] | undefined;
  #time = 0;
  #bytes = 0;
  #rate: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Undefined until there is something to go by. */
  of({ phase, bytes }: Progress): number | undefined {
    const time = this.#now();
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#time = time;
      this.#bytes = bytes;
      this.#rate = undefined;
      return undefined;
    }
    const elapsed = time - this.#time;
    if (elapsed < 0.5) return this.#rate;
    const latest = Math.max(0, bytes - this.#bytes) / elapsed;
    // What is older than some ten seconds hardly counts.
    const weight = 1 - Math.exp(-elapsed / 5);
    this.#rate = this.#rate === undefined ? latest : this.#rate + weight * (latest - this.#rate);
    this.#time = time;
    this.#bytes = bytes;
    return this.#rate;
  }
}

/**
 * `Packing  1,234 files  1.2 GiB  85.0 MiB/s  340 MiB stored`, or, where the goal is known,
 * `Restoring  [#########           ]  45 %  1,234 files  1.2 of 2.5 GiB  85.0 MiB/s  15 s left`.
 */
export function progressLine(progress: Progress, perSecond: number | undefined): string {
  const { phase, files, bytes, storedBytes, totalBytes } = progress;
  const parts = [DOING[phase]];
  const aims = totalBytes !== undefined && totalBytes > 0 && phase !== "placing";
  if (aims) {
    const done = Math.min(1, bytes / totalBytes);
    const filled = Math.floor(done * BAR_WIDTH);
    parts.push(`[${"#".repeat(filled)}${" ".repeat(BAR_WIDTH - filled)}]`);
    parts.push(`${Math.floor(done * 100)} %`);
  }
  if (files > 0) parts.push(countInWords(files, "file"));
  if (bytes > 0) {
    parts.push(aims ? `${sizeInWords(bytes)} of ${sizeInWords(totalBytes)}` : sizeInWords(bytes));
  }
  if (perSecond !== undefined && perSecond > 0 && bytes > 0) {
    parts.push(`${sizeInWords(perSecond)}/s`);
    if (aims) parts.push(`${durationInWords(Math.max(0, totalBytes - bytes) / perSecond)} left`);
  }
  if (phase === "packing" || phase === "finishing") {
    if (storedBytes > 0) parts.push(`${sizeInWords(storedBytes)} stored`);
  } else if (phase === "reading" && storedBytes > 0) {
    parts.push(`${sizeInWords(storedBytes)} fetched`);
  }
  return parts.join("  ");
}

function seconds(): number {
  return performance.now() / 1000;
}
