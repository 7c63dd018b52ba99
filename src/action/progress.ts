import type { OnProgress, Progress } from "../operations/progress.ts";
import { durationInWords, grouped, sizeInWords } from "../words.ts";

const DOING: Record<Progress["phase"], string> = {
  packing: "packed",
  finishing: "packed",
  reading: "read",
  restoring: "restored",
  verifying: "verified",
  placing: "restored",
  storing: "stored",
  fetching: "fetched",
};

/**
 * Progress as plain lines, few enough for a log that is read afterwards: the first after ten
 * seconds, then one each time a tenth of the time so far has passed, at least ten seconds apart.
 */
export function sparseProgress(
  say: (line: string) => void,
  now: () => number = () => performance.now(),
): OnProgress {
  const start = now();
  let next = start + 10_000;
  return (progress) => {
    const time = now();
    if (time < next) return;
    next = time + Math.max(10_000, (time - start) / 10);
    say(progressLine(progress, time - start));
  };
}

/** `packed 1,234 files and folders, 5.60 GB; 1.20 GB stored so far (2 min 10 s)` */
export function progressLine(progress: Progress, elapsed: number): string {
  const { phase, files, bytes, storedBytes, totalFiles, totalBytes } = progress;
  const count = grouped(files) + of(totalFiles === undefined ? undefined : grouped(totalFiles));
  const size =
    sizeInWords(bytes) + of(totalBytes === undefined ? undefined : sizeInWords(totalBytes));
  const moved = phase === "packing" || phase === "finishing" ? "stored" : "fetched";
  return `${DOING[phase]} ${count} files and folders, ${size}; ${sizeInWords(storedBytes)} ${moved} so far (${durationInWords(elapsed / 1000)})`;
}

function of(total: string | undefined): string {
  return total === undefined ? "" : ` of ${total}`;
}
