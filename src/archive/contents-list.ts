import { createHash } from "node:crypto";
import type { Authentication } from "../encryption/authentication-record.ts";
import { parseAuthentication } from "../encryption/authentication-record.ts";
import { RestbackupError } from "../errors.ts";
import { type ContentsEntry, type ContentsIndex, MAX_MTIME } from "./contents.ts";
import { isPathString } from "./path-bytes.ts";

/**
 * The contents list in bytes (docs/format.md, "Contents list"): segments of JSON lines, each a zstd
 * frame, then the index, its authentication and a footer, all within skippable frames.
 */

export const CONTENTS_MAGIC = 0x184d2a52;
export const SKIPPABLE_HEADER = 8;
/** Index length, authentication length, "RESTBKUP". */
export const CONTENTS_FOOTER = 16;
const FOOTER_MAGIC = Buffer.from("RESTBKUP", "latin1");
const MAX_INDEX = 64 * 2 ** 20;
const MAX_SEGMENT = 64 * 2 ** 20;
/**
 * JSON bytes for a byte of tar, at most: an entry takes 512 there at least, and no byte of a path
 * more than six here. So a list cannot ask for more memory than the tar it describes.
 */
const MAX_LIST_RATIO = 8;

/** One segment of the list: entries in order, as JSON lines in one zstd frame. */
export interface Segment {
  /** Where its zstd frame begins in the zstd stream, and how long it is. */
  readonly offset: number;
  readonly size: number;
  /** Bytes of JSON lines. */
  readonly length: number;
  /** Entries in it. */
  readonly entries: number;
  /** Tar offset of the first entry's header, and that entry's path. */
  readonly start: number;
  readonly first: string;
  /** SHA-256 of the zstd frame, hex: through the index it is authenticated too. */
  readonly sha256: string;
}

export interface StoredIndex extends ContentsIndex {
  readonly segments: readonly Segment[];
}

/** A skippable frame's header. */
export function skippableHeader(size: number): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER);
  header.writeUInt32LE(CONTENTS_MAGIC, 0);
  header.writeUInt32LE(size, 4);
  return header;
}

export function encodeIndex(index: StoredIndex): Buffer {
  return Buffer.from(JSON.stringify(index), "utf8");
}

/** What is authenticated: the index, and through its digests every segment and every file. */
export function indexDigest(index: Uint8Array): Buffer {
  return createHash("sha256").update(index).digest();
}

export function encodeFooter(index: Buffer, authentication: Buffer): Buffer {
  const footer = Buffer.alloc(CONTENTS_FOOTER);
  footer.writeUInt32LE(index.length, 0);
  footer.writeUInt32LE(authentication.length, 4);
  FOOTER_MAGIC.copy(footer, 8);
  return footer;
}

/** Lengths of index and authentication, from the last bytes of the contents frame. */
export function parseFooter(footer: Buffer): { index: number; authentication: number } {
  if (!footer.subarray(8).equals(FOOTER_MAGIC)) {
    throw new RestbackupError("damaged", "The archive has no contents list.");
  }
  const index = footer.readUInt32LE(0);
  const authentication = footer.readUInt32LE(4);
  if (index > MAX_INDEX || authentication > 2 ** 20) {
    throw new RestbackupError("damaged", "The archive's contents list claims an impossible size.");
  }
  return { index, authentication };
}

export function parseAuthenticationBytes(bytes: Buffer): Authentication {
  return parseAuthentication(parseJson(bytes.toString("utf8")));
}

/** Reads the index. Throws `damaged`. */
export function parseIndex(bytes: Buffer): StoredIndex {
  const value = parseJson(bytes.toString("utf8")) as Partial<StoredIndex>;
  const bad = (what: string): never => {
    throw new RestbackupError("damaged", `The archive's contents list is malformed (${what}).`);
  };
  if (typeof value !== "object" || value === null) bad("no object");
  if (value.format !== 1) {
    throw new RestbackupError(
      "damaged",
      `The archive's contents list has ${typeof value.format === "number" ? `format ${value.format}` : "no format known"}; this version reads format 1.`,
      { hint: "Use a newer restbackup, or stock tools: age -d | zstd -d | tar x." },
    );
  }
  if (typeof value.archive !== "string") bad("archive");
  if (typeof value.created !== "string") bad("created");
  if (typeof value.writer !== "string") bad("writer");
  if (!isSize(value.tarSize)) bad("tarSize");
  const { source, totals, warnings, segments } = value;
  if (
    typeof source !== "object" ||
    source === null ||
    !isStrings(source.paths) ||
    [source.repository, source.ref, source.commit, source.run].some(
      (text) => text !== undefined && typeof text !== "string",
    )
  ) {
    bad("source");
  }
  if (
    typeof totals !== "object" ||
    totals === null ||
    ![totals.files, totals.directories, totals.links, totals.bytes].every(isSize)
  ) {
    bad("totals");
  }
  if (
    !Array.isArray(warnings) ||
    !warnings.every((w) => typeof w?.path === "string" && typeof w.problem === "string")
  ) {
    bad("warnings");
  }
  if (!Array.isArray(segments)) bad("segments");
  let start = -1;
  for (const [index, segment] of (segments as Segment[]).entries()) {
    const end = (segments as Segment[])[index + 1]?.start ?? (value.tarSize as number);
    if (
      ![segment?.offset, segment?.size, segment?.length, segment?.entries, segment?.start].every(
        isSize,
      ) ||
      segment.length > MAX_SEGMENT ||
      segment.size > MAX_SEGMENT ||
      segment.start <= start ||
      segment.length > MAX_LIST_RATIO * (end - segment.start) ||
      typeof segment.first !== "string" ||
      !isDigest(segment.sha256)
    ) {
      bad("segments");
    }
    start = segment.start;
  }
  return knownFields(value as StoredIndex);
}

/** The index without what a later writer, or a hostile one, put beside the fields of this format. */
function knownFields(index: StoredIndex): StoredIndex {
  const { format, archive, created, writer, tarSize } = index;
  const { paths, repository, ref, commit, run } = index.source;
  const { files, directories, links, bytes } = index.totals;
  return {
    format,
    archive,
    created,
    writer,
    source: {
      paths,
      ...(repository === undefined ? {} : { repository }),
      ...(ref === undefined ? {} : { ref }),
      ...(commit === undefined ? {} : { commit }),
      ...(run === undefined ? {} : { run }),
    },
    totals: { files, directories, links, bytes },
    tarSize,
    warnings: index.warnings.map(({ path, problem }) => ({ path, problem })),
    segments: index.segments,
  };
}

/**
 * The entries of one segment's JSON lines, as many as it states, read as they are iterated; the lines'
 * memory may be used again at once. Throws `damaged`, then.
 */
export function parseEntries(
  lines: Buffer,
  segment: Pick<Segment, "entries" | "first">,
): Generator<ContentsEntry> {
  return entriesIn(lines.toString("utf8"), segment);
}

function* entriesIn(
  text: string,
  segment: Pick<Segment, "entries" | "first">,
): Generator<ContentsEntry> {
  let from = 0;
  let count = 0;
  while (from < text.length) {
    const end = text.indexOf("\n", from);
    if (end < 0) throw malformedEntry("no line end");
    const entry = checkEntry(parseJson(text.slice(from, end)));
    if (count === 0 && entry.path !== segment.first) throw malformedEntry("not the first stated");
    count += 1;
    yield entry;
    from = end + 1;
  }
  if (count !== segment.entries) throw malformedEntry("not as many as stated");
}

const CHANGES: ReadonlySet<unknown> = new Set(["grew", "shrank", "modified"]);
const COMMON = ["path", "type", "mode", "mtime", "uid", "gid"];
/** Fields of this format; others may come with a later one and mean nothing here. */
const FIELDS: Record<ContentsEntry["type"], ReadonlySet<string>> = {
  file: new Set([...COMMON, "size", "sha256", "offset", "sparse", "changed"]),
  directory: new Set(COMMON),
  symlink: new Set([...COMMON, "target"]),
  hardlink: new Set([...COMMON, "target"]),
};

/** Checks what a hostile writer could put into an entry. Returns it, typed. */
function checkEntry(value: unknown): ContentsEntry {
  if (typeof value !== "object" || value === null) throw malformedEntry("no object");
  const entry = value as ContentsEntry;
  checkPath(entry.path, entry.type === "directory");
  if (!isSize(entry.mode) || entry.mode > 0o7777) throw malformedEntry("mode");
  if (
    typeof entry.mtime !== "string" ||
    !/^-?\d{1,13}(\.\d{1,9})?$/.test(entry.mtime) ||
    Math.abs(Number(entry.mtime)) > MAX_MTIME
  ) {
    throw malformedEntry("mtime");
  }
  if (entry.uid !== undefined && !isId(entry.uid)) throw malformedEntry("uid");
  if (entry.gid !== undefined && !isId(entry.gid)) throw malformedEntry("gid");
  switch (entry.type) {
    case "file":
      if (!isSize(entry.size) || !isSize(entry.offset) || !isDigest(entry.sha256)) {
        throw malformedEntry("size, offset or sha256");
      }
      if (entry.sparse !== undefined && typeof entry.sparse !== "boolean") {
        throw malformedEntry("sparse");
      }
      if (entry.changed !== undefined && !CHANGES.has(entry.changed)) {
        throw malformedEntry("changed");
      }
      break;
    case "symlink":
      if (typeof entry.target !== "string" || entry.target === "" || !isPathString(entry.target)) {
        throw malformedEntry("target");
      }
      break;
    case "hardlink":
      checkPath(entry.target, false);
      break;
    case "directory":
      break;
    default:
      throw malformedEntry("type");
  }
  for (const field in entry) {
    if (!FIELDS[entry.type].has(field)) delete (entry as unknown as Record<string, unknown>)[field];
  }
  return entry;
}

/** A path that cannot lead out of the folder it is restored into, on any platform. */
function checkPath(path: unknown, directory: boolean): void {
  if (typeof path !== "string" || path === "" || !isPathString(path)) throw malformedEntry("path");
  if (path === "." && directory) return;
  for (const part of path.split("/")) {
    if (part === "" || part === "." || part === "..") throw malformedEntry("path");
  }
}

function malformedEntry(what: string): RestbackupError {
  return new RestbackupError(
    "damaged",
    `The archive's contents list has a malformed entry (${what}).`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RestbackupError("damaged", "The archive's contents list is not valid JSON.");
  }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isId(value: unknown): boolean {
  return isSize(value) && value <= 0xffffffff;
}

function isDigest(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
