const UNITS = ["kB", "MB", "GB", "TB"] as const;

/** Bytes for a person, in powers of 1000: `812 B`, `1.25 GB`. */
export function bytesInWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit++;
  } while (value >= 999.5 && unit < UNITS.length - 1);
  return `${value.toPrecision(value < 999.5 ? 3 : 4)} ${UNITS[unit]}`;
}

/** Milliseconds for a person: `0.4 s`, `42 s`, `3 min 7 s`, `2 h 5 min`. */
export function durationInWords(milliseconds: number): string {
  const tenths = Math.round(milliseconds / 100) / 10;
  if (tenths < 10) return `${tenths} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1 file`, `1,234 files`. */
export function countInWords(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? noun : `${noun}s`}`;
}

/**
 * One line for the log. The runner takes commands from a step's output (`::` at the start of a line,
 * `##[` anywhere), so text with names that others chose must not be able to give any.
 */
export function logLine(text: string): string {
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ").trimStart();
  return line.replaceAll("##[", "## [").replace(/^::/, ": :");
}
