import type { IncomingHttpHeaders } from "node:http";
import { parseHttpDate } from "./http-date.ts";

/** What conditions are about: the object as it is. */
export interface Representation {
  /** Bytes. */
  readonly size: number;
  /** A strong entity tag, in its quotes. */
  readonly etag: string;
  /** Unix seconds. */
  readonly modified: number;
}

/** Bytes from `start` (inclusive) to `end` (exclusive). */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** The outcome of a GET's or HEAD's conditions and range. */
export type Outcome =
  | { readonly status: 200 | 304 | 412 | 416 }
  | { readonly status: 206; readonly part: Part };

/** Decides in the order of RFC 9110, 13.2.2. Ranges count for GET only (14.2). */
export function evaluate(
  method: "GET" | "HEAD",
  headers: IncomingHttpHeaders,
  object: Representation,
): Outcome {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined) {
    if (!listsTag(ifMatch, object.etag, "strong")) return { status: 412 };
  } else {
    const since = parseHttpDate(headers["if-unmodified-since"] ?? "");
    if (since !== undefined && object.modified > since) return { status: 412 };
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) {
    if (listsTag(ifNoneMatch, object.etag, "weak")) return { status: 304 };
  } else {
    // A field that holds no date is as if absent (RFC 9110, 13.1.3).
    const since = parseHttpDate(headers["if-modified-since"] ?? "");
    if (since !== undefined && object.modified <= since) return { status: 304 };
  }
  const range = headers.range;
  if (method !== "GET" || range === undefined || !stillSame(headers["if-range"], object)) {
    return { status: 200 };
  }
  return parseRange(range, object.size);
}

/** `If-Range` (RFC 9110, 13.1.5): a strong tag, or exactly the date of last change. */
function stillSame(ifRange: string | string[] | undefined, object: Representation): boolean {
  if (ifRange === undefined) return true;
  const value = String(ifRange);
  // The date is a strong validator here: under one name nothing ever changes.
  return value === object.etag || parseHttpDate(value) === object.modified;
}

/** An entity tag (RFC 9110, 8.8.3); commas may be part of it, spaces may not. */
const TAG = '(?:W/)?"[!#-~\\x80-\\xff]*"';
/** A list of them; its elements may be empty (5.6.1). No text matches in two ways: it must be quick. */
const TAG_LIST = new RegExp(`^[ \\t,]*${TAG}(?:[ \\t]*,(?:[ \\t]*${TAG})?)*[ \\t]*$`);

/** Whether a list of entity tags has this one. What is malformed has none. */
function listsTag(list: string, etag: string, comparison: "strong" | "weak"): boolean {
  if (list === "*") return true;
  if (!TAG_LIST.test(list)) return false;
  const tags = list.match(new RegExp(TAG, "g")) ?? [];
  return tags.some((tag) => tag === etag || (comparison === "weak" && tag === `W/${etag}`));
}

/** A single range (RFC 9110, 14.1.2). Several, or other units, may be and are ignored (14.2). */
function parseRange(field: string, size: number): Outcome {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(field);
  if (match === null) return { status: 200 };
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "" && last === "") return { status: 200 };
  if (first === "") {
    const length = Math.min(Number(last), size);
    if (length > 0) return { status: 206, part: { start: size - length, end: size } };
    // The last bytes of nothing can be had, but not as a part: no Content-Range could say which.
    return { status: Number(last) > 0 ? 200 : 416 };
  }
  if (last !== "" && BigInt(last) < BigInt(first)) return { status: 200 };
  const start = Number(first);
  if (start >= size) return { status: 416 };
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return { status: 206, part: { start, end } };
}
