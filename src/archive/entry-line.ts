import { putAscii, putDecimal } from "./ascii.ts";
import type { EntryFields } from "./contents.ts";

/** An entry's line in a contents list (docs/format.md, "Entries"), written as bytes at once. */

/** Of everything in a line but its path and target. */
const REST_MOST = 512;
/** Bytes of JSON for a UTF-16 code unit, as `\u0000`. */
const JSON_MOST = 6;

/** How many bytes {@link putEntryLine} may put, at most. */
export function entryLineMost({ path, target = "" }: EntryFields): number {
  return JSON_MOST * (path.length + target.length) + REST_MOST;
}

/** Puts what JSON.stringify gives, and a line end, fields in the order of `ContentsEntry`; returns where that ends. */
export function putEntryLine(into: Buffer, start: number, entry: EntryFields): number {
  const { type, mode, mtime, uid, gid, size, sha256, offset, target, sparse, changed } = entry;
  let at = putJson(into, putAscii(into, start, '{"path":'), entry.path);
  at = putAscii(into, at, ',"type":"');
  at = putAscii(into, at, type);
  at = putDecimal(into, putAscii(into, at, '","mode":'), mode);
  at = putAscii(into, putAscii(into, at, ',"mtime":"'), mtime);
  at = putAscii(into, at, '"');
  if (uid !== undefined) at = putDecimal(into, putAscii(into, at, ',"uid":'), uid);
  if (gid !== undefined) at = putDecimal(into, putAscii(into, at, ',"gid":'), gid);
  if (size !== undefined) at = putDecimal(into, putAscii(into, at, ',"size":'), size);
  if (sha256 !== undefined) at = putQuoted(into, putAscii(into, at, ',"sha256":'), sha256);
  if (offset !== undefined) at = putDecimal(into, putAscii(into, at, ',"offset":'), offset);
  if (target !== undefined) at = putJson(into, putAscii(into, at, ',"target":'), target);
  if (sparse !== undefined) at = putAscii(into, at, sparse ? ',"sparse":true' : ',"sparse":false');
  if (changed !== undefined) at = putQuoted(into, putAscii(into, at, ',"changed":'), changed);
  return putAscii(into, at, "}\n");
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Puts text that nothing in needs to be escaped. */
function putQuoted(into: Buffer, at: number, text: string): number {
  into[at] = QUOTE;
  const end = putAscii(into, at + 1, text);
  into[end] = QUOTE;
  return end + 1;
}

/** Puts any text as a JSON string. */
function putJson(into: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
      return at + into.write(JSON.stringify(text), at);
    }
    into[at + 1 + i] = code;
  }
  into[at] = QUOTE;
  const end = at + 1 + text.length;
  into[end] = QUOTE;
  return end + 1;
}
