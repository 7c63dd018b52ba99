import type { EntryFields } from "./contents.ts";

/** An entry's line in a contents list (docs/format.md, "Entries"), written as bytes at once. */

/** Of everything in a line but its path and target. */
const REST_MOST = 512;
/** Bytes of JSON for a UTF-16 code unit, as `\u0000`. */
const JSON_MOST = 6;
/** What stands in JSON as it is, and is one byte a character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** How many bytes {@link putEntryLine} may put, at most. */
export function entryLineMost({ path, target = "" }: EntryFields): number {
  return JSON_MOST * (path.length + target.length) + REST_MOST;
}

/**
 * Puts what JSON.stringify gives, and a line end, fields in the order of `ContentsEntry`; returns
 * where that ends. In one piece: strings are put together when they are written, and fast then.
 */
export function putEntryLine(into: Buffer, at: number, entry: EntryFields): number {
  const { path, type, mode, mtime, uid, gid, size, sha256, offset, target, sparse, changed } =
    entry;
  const plain = PLAIN.test(path) && (target === undefined || PLAIN.test(target));
  const quote = plain ? quoted : JSON.stringify;
  let line = `{"path":${quote(path)},"type":"${type}","mode":${mode},"mtime":"${mtime}"`;
  if (uid !== undefined) line += `,"uid":${uid}`;
  if (gid !== undefined) line += `,"gid":${gid}`;
  if (size !== undefined) line += `,"size":${size}`;
  if (sha256 !== undefined) line += `,"sha256":"${sha256}"`;
  if (offset !== undefined) line += `,"offset":${offset}`;
  if (target !== undefined) line += `,"target":${quote(target)}`;
  if (sparse !== undefined) line += `,"sparse":${sparse}`;
  if (changed !== undefined) line += `,"changed":"${changed}"`;
  return at + into.write(`${line}}\n`, at, plain ? "latin1" : "utf8");
}

/** What stands between the digest and the number in the field after it. */
const AFTER_DIGEST = '","offset":'.length;
const DIGEST = 64;

/** Where the digest begins in the line, which ends at `end`, of a file without further fields. */
export function digestPlace(end: number, offset: number): number {
  return end - "}\n".length - String(offset).length - AFTER_DIGEST - DIGEST;
}

function quoted(plain: string): string {
  return `"${plain}"`;
}
