import { bytesOf, isUtf8, type Line } from "./independent-tar.ts";

/** Forms of a contents list as docs/format.md gives them, "Index", "Entries", "Paths" and "Authentication". */

export interface Index {
  readonly format: 1;
  readonly archive: string;
  readonly created: string;
  readonly writer: string;
  readonly source: { readonly paths: readonly string[] } & Readonly<Record<string, unknown>>;
  readonly totals: Readonly<Record<"files" | "directories" | "links" | "bytes", number>>;
  readonly tarSize: number;
  readonly warnings: readonly { readonly path: string; readonly problem: string }[];
  readonly segments: readonly Segment[];
}

interface Segment {
  readonly offset: number;
  readonly size: number;
  readonly length: number;
  readonly entries: number;
  readonly start: number;
  readonly first: string;
  readonly sha256: string;
}

export interface Authentication {
  readonly hmac?: string;
  readonly signature?: { readonly signer: string; readonly value: string };
}

export function refuseUnless(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`an archive ${what}`);
}

const MIB = 2 ** 20;
const DIGEST = /^[0-9a-f]{64}$/;

function isSize(value: unknown, most = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** @param indexStart where the index begins in the zstd stream. */
export function checkIndex(index: Index, indexStart: number): void {
  refuseUnless(index.format === 1, "of another format");
  const { archive, created, writer, source, totals, tarSize, warnings, segments } = index;
  refuseUnless([archive, created, writer].every(isText), "whose index lacks a text");
  const { paths, repository, ref, commit, run } = source;
  refuseUnless(paths.every(isText), "with a malformed source");
  const optional = [repository, ref, commit, run].filter((text) => text !== undefined);
  refuseUnless(optional.every(isText), "with a malformed source");
  const counts = [totals.files, totals.directories, totals.links, totals.bytes, tarSize];
  refuseUnless(
    counts.every((count) => isSize(count)),
    "with malformed totals",
  );
  refuseUnless(totals.bytes <= tarSize, "of more bytes than its tar");
  refuseUnless(
    warnings.every(({ path, problem }) => isText(path) && isText(problem)),
    "with a malformed warning",
  );
  for (const [at, segment] of segments.entries()) {
    const { offset, size, length, entries, start, first, sha256 } = segment;
    refuseUnless(
      [offset, entries, start].every((value) => isSize(value)) &&
        isSize(size, 64 * MIB) &&
        isSize(length, 64 * MIB) &&
        isText(first) &&
        DIGEST.test(sha256),
      "with a malformed segment",
    );
    refuseUnless(offset + size <= indexStart, "with a segment that lies elsewhere");
    refuseUnless(start > (segments[at - 1]?.start ?? -1), "with segments out of order");
    const described = (segments[at + 1]?.start ?? tarSize) - start;
    refuseUnless(length <= 8 * described, "with a list too long for its tar");
  }
}

const CHANGES: readonly unknown[] = [undefined, "grew", "shrank", "modified"];

export function checkLine(line: Line): void {
  const { path, type, mode, mtime, uid = 0, gid = 0, size, offset, sha256, target } = line;
  checkPath(path);
  const isTime = isText(mtime) && /^-?\d{1,13}(\.\d{1,9})?$/.test(mtime);
  refuseUnless(
    isTime && Math.abs(Number(mtime)) <= 8_640_000_000_000 && isSize(mode, 4095),
    "with a malformed mode or time",
  );
  refuseUnless(isSize(uid, 2 ** 32 - 1) && isSize(gid, 2 ** 32 - 1), "with a malformed owner");
  switch (type) {
    case "file":
      refuseUnless(isSize(size) && isSize(offset) && DIGEST.test(`${sha256}`), "malformed content");
      refuseUnless(["undefined", "boolean"].includes(typeof line.sparse), "malformed holes");
      refuseUnless(CHANGES.includes(line.changed), "with a malformed change");
      break;
    case "symlink":
      refuseUnless(isText(target) && target !== "" && isCanonical(target!), "a malformed target");
      break;
    case "hardlink":
      checkPath(target);
      break;
    default:
      refuseUnless(type === "directory", "with an entry of another type");
  }
}

function checkPath(path: unknown): void {
  refuseUnless(typeof path === "string" && isCanonical(path), "with a malformed path");
  const parts = path === "." ? [] : path.split("/");
  refuseUnless(!parts.some((part) => ["", ".", ".."].includes(part)), "with a path that leads out");
}

/** Without NUL, and the one string made from its bytes. */
function isCanonical(text: string): boolean {
  return !text.includes("\0") && textOf(bytesOf(text)) === text;
}

function textOf(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const from = at;
    const length = [1, 2, 3, 4].find(
      (count) => from + count <= bytes.length && isUtf8(bytes.subarray(from, from + count)),
    );
    text +=
      length === undefined
        ? String.fromCharCode(0xdc00 + bytes[at]!)
        : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return text;
}

export function checkAuthentication({ hmac, signature }: Authentication): void {
  refuseUnless(hmac === undefined || DIGEST.test(hmac), "with a malformed HMAC");
  if (signature === undefined) return;
  const { signer, value } = signature;
  const isSigner = isText(signer) && signer.startsWith("restbackup-signer1");
  const bytes = Buffer.from(value, "base64");
  const isSignature = bytes.length === 64 && bytes.toString("base64") === value;
  refuseUnless(isSigner && isSignature, "with a malformed signature");
}
