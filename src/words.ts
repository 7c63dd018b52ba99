const UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes for a person, in powers of 1024: `812 B`, `1.2 MiB`, `340 GiB`. */
export function sizeInWords(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit++;
  } while (value >= 1023.5 && unit < UNITS.length - 1);
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Seconds for a person: `0.4 s`, `42 s`, `3 min 7 s`, `2 h 5 min`. */
export function durationInWords(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const AGES = [
  [1, 60, "second"],
  [60, 60, "minute"],
  [3600, 48, "hour"],
  [86_400, 100, "day"],
  [2_629_746, 24, "month"],
  [31_556_952, Number.POSITIVE_INFINITY, "year"],
] as const;

/** How long ago something was: `3 hours ago`. Clocks differ: the near future is `just now`. */
export function ageInWords(seconds: number): string {
  if (seconds < 1) return "just now";
  const [length, , unit] = AGES.find(([length, limit]) => seconds < length * limit)!;
  return `${countInWords(Math.floor(seconds / length), unit)} ago`;
}

/** A whole number, its thousands apart: `1,234`. Without Intl, which takes 20 ms to load. */
export function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `1 file`, `1,234 files`. */
export function countInWords(count: number, noun: string): string {
  return `${grouped(count)} ${count === 1 ? noun : `${noun}s`}`;
}

/** Unix seconds as `2026-11-23 09:40:12Z`. */
export function timeInWords(unixSeconds: number): string {
  return new Date(unixSeconds * 1000)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/**
 * A path of any length as one line of a terminal: what would move the cursor or turn the text
 * around is written as an escape, and so are bytes that are not UTF-8 (lone surrogates).
 */
export function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu,
    (character) => {
      const code = character.charCodeAt(0);
      if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
      if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
      return `\\u${code.toString(16)}`;
    },
  );
}

/** An argument as a shell takes it back. */
export function quoted(argument: string, platform: NodeJS.Platform = process.platform): string {
  if (/^[\w./:@=+,-]+$/.test(argument)) return argument;
  if (platform === "win32") return `"${argument}"`;
  return `'${argument.replaceAll("'", "'\\''")}'`;
}
