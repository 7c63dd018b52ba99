import { RestbackupError } from "./errors.ts";

/** `NAME-YYYYMMDDTHHMMSSZ.tar.zst.age`, whole or one volume of a set. */
const ENTRY =
  /^(?<name>.+)-(?<stamp>\d{8}T\d{6}Z)\.tar\.zst\.age(?:\.(?<volume>\d{3,})(?<last>\.last)?)?$/s;

/** What an object's name says; undefined for names that are not archives of ours. */
export interface ParsedName {
  /** The archive's name without volume suffix: what users call the entry. */
  readonly entry: string;
  /** The NAME part, as given to the backup. */
  readonly name: string;
  /** The date in the name, chosen by the machine that wrote it. Never decides what is latest. */
  readonly date: Date;
  /** Position of this volume in its set from 0, or undefined for an archive in one piece. */
  readonly volume: number | undefined;
  /** Whether this is the volume that completes the set. */
  readonly last: boolean;
}

/** The name of an archive made at `date`, whole seconds, UTC. */
export function entryName(name: string, date: Date): string {
  const stamp = `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
  return `${name}-${stamp}.tar.zst.age`;
}

/** The name of volume `index` (from 0); the last one says so. */
export function volumeName(entry: string, index: number, last: boolean): string {
  return `${entry}.${String(index).padStart(3, "0")}${last ? ".last" : ""}`;
}

/** Reads an object's name, with or without leading slash. */
export function parseName(objectName: string): ParsedName | undefined {
  const match = ENTRY.exec(objectName.replace(/^\//, ""));
  if (match === null) return undefined;
  const { name, stamp, volume, last } = match.groups as Record<string, string | undefined>;
  const date = stampDate(stamp!);
  if (date === undefined) return undefined;
  return {
    entry: entryName(name!, date),
    name: name!,
    date,
    volume: volume === undefined ? undefined : Number(volume),
    last: last !== undefined,
  };
}

/** The time a stamp `YYYYMMDDTHHMMSSZ` tells; undefined for one that is on no calendar or clock. */
function stampDate(stamp: string): Date | undefined {
  const iso = stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const date = new Date(iso);
  // Date accepts 20260231 by rolling over, and rejects month 13: only a true date round-trips.
  const exact = !Number.isNaN(date.getTime()) && date.toISOString() === iso.replace("Z", ".000Z");
  return exact ? date : undefined;
}

/**
 * What the name of an archive says that older tools made (`backup-api.md`, part 2): one of a chain
 * of GNU tar's incremental archives, or a dated archive that stands alone.
 */
export interface ParsedLegacyName {
  /** The object's name without leading slash. */
  readonly entry: string;
  readonly name: string;
  /** The date in the name; of a dated archive the beginning of that day in UTC. */
  readonly date: Date;
  /** `NAME-YYYYMMDDTHHMMSSZ`, which all archives of a chain share; absent for a dated archive. */
  readonly base?: string;
  /** Position in the chain: 0 is the full archive, 1 the first increment. */
  readonly level: number;
}

/** `NAME-YYYYMMDDTHHMMSSZ-full.tar.gz` and `-inc1`, `-inc2`, ... */
const CHAINED =
  /^(?<base>(?<name>.+)-(?<stamp>\d{8}T\d{6}Z))-(?:full|inc(?<level>[1-9]\d{0,8}))\.tar\.gz$/s;
/** `NAME.YYYYMMDD.tar.gz` */
const DATED = /^(?<name>.+)\.(?<day>\d{8})\.tar\.gz$/s;

/** Reads the name of an archive of older tools, with or without leading slash. */
export function parseLegacyName(objectName: string): ParsedLegacyName | undefined {
  const entry = objectName.replace(/^\//, "");
  const chained = CHAINED.exec(entry)?.groups as Record<string, string | undefined> | undefined;
  if (chained !== undefined) {
    const date = stampDate(chained.stamp!);
    if (date === undefined) return undefined;
    return {
      entry,
      name: chained.name!,
      date,
      base: chained.base!,
      level: Number(chained.level ?? 0),
    };
  }
  const dated = DATED.exec(entry)?.groups as Record<string, string> | undefined;
  const date = dated === undefined ? undefined : stampDate(`${dated.day}T000000Z`);
  return date === undefined ? undefined : { entry, name: dated!.name!, date, level: 0 };
}

/** The name of the archive at a level of a chain. */
export function legacyName(base: string, level: number): string {
  return `${base}-${level === 0 ? "full" : `inc${level}`}.tar.gz`;
}

/** Reads `NAME-YYYYMMDDTHHMMSSZ`, by which older tools call a chain as a whole. */
export function parseLegacyBase(text: string): { base: string; name: string } | undefined {
  const full = parseLegacyName(`${text}-full.tar.gz`);
  return full?.base === undefined ? undefined : { base: full.base, name: full.name };
}

/**
 * Checks a NAME for use in object names (`backup-api.md`, "Names"): segments of 1-255 bytes with
 * room for our suffix, no empty, `.` or `..` segment, no control characters, at most 1024 in all.
 * Throws `usage`.
 */
export function checkName(name: string): string {
  const refuse = (why: string): never => {
    throw new RestbackupError("usage", `"${printable(name)}" cannot be a backup name: ${why}.`, {
      hint: "Use letters, digits, dots, dashes and underscores, for example --name website.",
    });
  };
  if (name === "") refuse("it is empty");
  if (!name.isWellFormed()) refuse("it is not valid Unicode");
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) refuse("it holds control characters");
  // "-20261123T094012Z.tar.zst.age.000000.last"
  const suffixBytes = 41;
  const segments = name.split("/");
  for (const segment of segments) {
    if (segment === "") refuse("it has an empty part (a slash at an end, or two in a row)");
    if (segment === "." || segment === "..") refuse(`"${segment}" is not allowed as a part`);
    if (Buffer.byteLength(segment) + suffixBytes > 255) refuse("a part is longer than 214 bytes");
  }
  if (Buffer.byteLength(name) + suffixBytes > 1024) refuse("it is longer than 983 bytes");
  if (segments[0] === "session") refuse('"session/" belongs to the server');
  return name;
}

/** Text for a message: control characters made visible, length bounded. */
export function printable(text: string): string {
  const visible = text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return visible.length > 200 ? `${visible.slice(0, 200)}…` : visible;
}
