import { isPrintableAscii, putAscii } from "./ascii.ts";
import type { EntryFields } from "./contents.ts";
import { isEscaped, pathToBytes } from "./path-bytes.ts";

/**
 * Tar headers, canonical: what stands in a header is a function of the contents-list entry alone
 * (docs/format.md, "Tar"). A restore makes the header again and compares, so stock tools and ours
 * cannot be told different things by one archive.
 *
 * ustar with PAX extended headers, POSIX.1-2017 "pax Interchange Format".
 */

export const BLOCK = 512;

/** Two zero blocks end a tar. */
export const TRAILER = Buffer.alloc(2 * BLOCK);

const TYPEFLAG = { file: 0x30, hardlink: 0x31, symlink: 0x32, directory: 0x35, pax: 0x78 } as const;
const PAX_NAME = "././@PaxHeader";
/** Length of the fields for names. */
const NAME_FIELD = 100;
const LINK_NAME = 157;
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/** Bytes that content of this size takes in the stream: whole blocks. */
export function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Longer than all but odd headers. */
export const USUAL_HEADER = 8 * BLOCK;

/**
 * The header blocks of an entry: one block, or three and more where PAX records are needed. Made in
 * `memory`, which then belongs to it, where that is given and long enough.
 */
export function tarHeader(entry: EntryFields, memory?: Buffer): Buffer {
  const name = entry.type === "directory" ? `${entry.path}/` : entry.path;
  const link = entry.type === "symlink" || entry.type === "hardlink" ? (entry.target ?? "") : "";
  const size = entry.type === "file" ? (entry.size ?? 0) : 0;
  const uid = entry.uid ?? 0;
  const gid = entry.gid ?? 0;
  const dot = entry.mtime.indexOf(".");
  const seconds = Number(dot < 0 ? entry.mtime : entry.mtime.slice(0, dot));

  const longName = name.length > NAME_FIELD || !isPrintableAscii(name);
  const longLink = link.length > NAME_FIELD || !isPrintableAscii(link);
  const oddTime = dot >= 0 || seconds < 0 || seconds > MAX_OCTAL_11;
  let records: (string | Buffer)[] | undefined;
  if (longName || longLink || size > MAX_OCTAL_11 || uid > MAX_OCTAL_7 || gid > MAX_OCTAL_7) {
    records = [];
    // PAX text is UTF-8 unless said otherwise.
    if (isEscaped(name) || isEscaped(link)) records.push(record("hdrcharset", "BINARY"));
    if (gid > MAX_OCTAL_7) records.push(record("gid", String(gid)));
    if (longLink) records.push(record("linkpath", link));
    if (oddTime) records.push(record("mtime", entry.mtime));
    if (longName) records.push(record("path", name));
    if (size > MAX_OCTAL_11) records.push(record("size", String(size)));
    if (uid > MAX_OCTAL_7) records.push(record("uid", String(uid)));
  } else if (oddTime) {
    records = [record("mtime", entry.mtime)];
  }

  let at = 0;
  let header: Buffer;
  if (records === undefined) {
    header = zeros(BLOCK, memory);
  } else {
    let length = 0;
    for (const text of records) length += text.length;
    at = BLOCK + paddedSize(length);
    header = zeros(at + BLOCK, memory);
    putAscii(header, 0, PAX_NAME);
    block(header, 0, TYPEFLAG.pax, 0o644, 0, 0, length, 0);
    let position = BLOCK;
    for (const text of records) {
      if (typeof text === "string") position = putAscii(header, position, text);
      else position += text.copy(header, position);
    }
  }

  if (longName) truncated(name).copy(header, at);
  else putAscii(header, at, name);
  if (longLink) truncated(link).copy(header, at + LINK_NAME);
  else putAscii(header, at + LINK_NAME, link);
  block(
    header,
    at,
    TYPEFLAG[entry.type],
    entry.mode,
    uid > MAX_OCTAL_7 ? 0 : uid,
    gid > MAX_OCTAL_7 ? 0 : gid,
    size > MAX_OCTAL_11 ? 0 : size,
    seconds < 0 || seconds > MAX_OCTAL_11 ? 0 : seconds,
  );
  return header;
}

function zeros(length: number, memory: Buffer | undefined): Buffer {
  if (memory === undefined || memory.length < length) return Buffer.alloc(length);
  return memory.subarray(0, length).fill(0);
}

/** The first 100 bytes, for readers that know no PAX. */
function truncated(text: string): Buffer {
  return pathToBytes(text).subarray(0, NAME_FIELD);
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself; a string where it is ASCII. */
function record(key: string, value: string): string | Buffer {
  if (isPrintableAscii(value)) {
    return `${recordLength(key.length + value.length + 3)} ${key}=${value}\n`;
  }
  const rest = Buffer.concat([Buffer.from(` ${key}=`), pathToBytes(value), Buffer.from("\n")]);
  return Buffer.concat([Buffer.from(String(recordLength(rest.length))), rest]);
}

function recordLength(rest: number): number {
  let digits = 1;
  while (rest + digits >= 10 ** digits) digits += 1;
  return rest + digits;
}

/** Fills all of a header block but name and link name, and seals it with its checksum. */
function block(
  header: Buffer,
  at: number,
  typeflag: number,
  mode: number,
  uid: number,
  gid: number,
  size: number,
  mtime: number,
): void {
  octal(header, at + 100, 7, mode);
  octal(header, at + 108, 7, uid);
  octal(header, at + 116, 7, gid);
  octal(header, at + 124, 11, size);
  octal(header, at + 136, 11, mtime);
  header[at + 156] = typeflag;
  // "ustar\0" and version "00"
  header[at + 257] = 0x75;
  header[at + 258] = 0x73;
  header[at + 259] = 0x74;
  header[at + 260] = 0x61;
  header[at + 261] = 0x72;
  header[at + 263] = 0x30;
  header[at + 264] = 0x30;
  // The checksum field counts as eight spaces; after the magic there are only zeros.
  let sum = 8 * 0x20;
  for (let i = at; i < at + 265; i++) sum += header[i]!;
  octal(header, at + 148, 6, sum);
  header[at + 155] = 0x20;
}

/** `digits` octal digits; the NUL after them is there already. */
function octal(header: Buffer, at: number, digits: number, value: number): void {
  // In two parts of at most 30 bits, which take shifts instead of divisions.
  let high = Math.floor(value / 2 ** 30);
  let low = value - high * 2 ** 30;
  let i = at + digits - 1;
  for (let bits = 0; bits < 30 && i >= at; bits += 3, i--) {
    header[i] = 0x30 + (low & 7);
    low >>= 3;
  }
  for (; i >= at; i--) {
    header[i] = 0x30 + (high & 7);
    high >>= 3;
  }
}
