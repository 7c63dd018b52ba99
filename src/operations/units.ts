import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90d`, `26h`, `15m`, `2w`, `30s` in seconds. Throws `usage`. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([smhdw])$/.exec(text.trim());
  const seconds = match === null ? Number.NaN : Number(match[1]) * SECONDS[match[2]!]!;
  if (!Number.isFinite(seconds)) {
    throw new RestbackupError("usage", `"${printable(text)}" is not a duration.`, {
      hint: "Write a number and a unit: 30m, 26h, 7d or 2w.",
    });
  }
  return seconds;
}

const BYTES: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `64M`, `1.5GiB`, `4096` in bytes; units are powers of 1024. Throws `usage`. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])i?)?b?$/i.exec(text.trim());
  const unit = BYTES[match?.[2]?.toLowerCase() ?? ""]!;
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes)) {
    throw new RestbackupError("usage", `"${printable(text)}" is not a size.`, {
      hint: "Write a number and a unit: 64M, 256MiB or 1G (powers of 1024).",
    });
  }
  return bytes;
}

/** `50%`, `12.5 %` or `50` as a part of 1. Throws `usage`. */
export function parsePercent(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim());
  const part = match === null ? Number.NaN : Number(match[1]) / 100;
  if (!(part <= 1)) {
    throw new RestbackupError("usage", `"${printable(text)}" is not a percentage.`, {
      hint: "Write a number from 0 to 100 and a percent sign: 50%.",
    });
  }
  return part;
}

/**
 * A point in time: RFC 3339 (`2026-11-23T09:40:12Z`), the stamp of an entry name
 * (`20261123T094012Z`), or a date, which means the end of that day in UTC. Throws `usage`.
 */
export function parseTime(text: string): Date {
  const trimmed = text.trim();
  const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(trimmed);
  let iso = trimmed;
  if (stamp !== null) {
    const [, year, month, day, hour, minute, second] = stamp;
    iso = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  } else if (/^\d{4}-\d\d-\d\d$/.test(trimmed)) {
    iso = `${trimmed}T23:59:59.999Z`;
  }
  const date = new Date(iso);
  const zoned = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.exec(iso);
  if (zoned === null || Number.isNaN(date.getTime()) || !onCalendar(zoned[1]!)) {
    throw new RestbackupError("usage", `"${printable(text)}" is not a time.`, {
      hint: "Write 2026-11-23T09:40:12Z, 20261123T094012Z, or 2026-11-23 for the end of that day.",
    });
  }
  return date;
}

/** Date takes February 30 for March 2, and 24:00 for the next day: only true ones come out again. */
function onCalendar(minute: string): boolean {
  const date = new Date(`${minute}Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(minute);
}
