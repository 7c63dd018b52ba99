import type { IncomingHttpHeaders } from "node:http";

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
    const since = parseDate(headers["if-unmodified-since"]);
    if (since !== undefined && object.modified > since) return { status: 412 };
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) {
    if (listsTag(ifNoneMatch, object.etag, "weak")) return { status: 304 };
  } else {
    const since = parseDate(headers["if-modified-since"]);
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
  const value = String(ifRange).trim();
  return value.includes('"') ? value === object.etag : parseDate(value) === object.modified;
}

function listsTag(list: string, etag: string, comparison: "strong" | "weak"): boolean {
  if (list.trim() === "*") return true;
  const tags = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (comparison === "weak" && tag === `W/${etag}`));
}

/** Unix seconds of an HTTP date; a field that holds none is as if absent (RFC 9110, 13.1.3). */
function parseDate(value: string | undefined): number | undefined {
  const milliseconds = Date.parse(value ?? "");
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** A single range (RFC 9110, 14.1.2). Several, or other units, may be and are ignored (14.2). */
function parseRange(field: string, size: number): Outcome {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(field);
  if (match === null) return { status: 200 };
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "" && last === "") return { status: 200 };
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0
      ? { status: 416 }
      : { status: 206, part: { start: size - length, end: size } };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return { status: 200 };
  if (start >= size) return { status: 416 };
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return { status: 206, part: { start, end } };
}
