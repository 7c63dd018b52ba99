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
/** Where fields begin. */
const MODE = 100;
const SIZE = 124;
const CHECKSUM = 148;
const LINK_NAME = 157;
const MAGIC_FIELD = 257;
/** With the version after it. */
const MAGIC = Buffer.from("ustar\u000000", "latin1");
const ZERO = 0x30;
const ZEROS = Buffer.alloc(BLOCK);
/** What every reader takes from a plain ustar field alike. */
const PLAIN = /^[\x20-\x7e]*$/;
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

  const longName = name.length > NAME_FIELD || !PLAIN.test(name);
  const longLink = link.length > NAME_FIELD || !PLAIN.test(link);
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

  let length = 0;
  if (records !== undefined) for (const text of records) length += text.length;
  const at = records === undefined ? 0 : BLOCK + paddedSize(length);
  const header =
    memory === undefined || memory.length < at + BLOCK
      ? Buffer.allocUnsafe(at + BLOCK)
      : memory.subarray(0, at + BLOCK);
  if (records !== undefined) {
    header.set(paxBlock(length), 0);
    for (let block = BLOCK; block < at; block += BLOCK) header.set(ZEROS, block);
    let position = BLOCK;
    for (const text of records) {
      if (typeof text === "string") position += header.write(text, position, "latin1");
      else position += text.copy(header, position);
    }
  }
  putBlock(header, at, blockOf(TYPEFLAG[entry.type], entry.mode, inField(uid), inField(gid)), {
    name: longName ? truncated(name) : name,
    link: longLink ? truncated(link) : link,
    size: size > MAX_OCTAL_11 ? 0 : size,
    mtime: seconds < 0 || seconds > MAX_OCTAL_11 ? 0 : seconds,
  });
  return header;
}

function inField(id: number): number {
  return id > MAX_OCTAL_7 ? 0 : id;
}

/** The first 100 bytes, for readers that know no PAX. */
function truncated(text: string): Buffer {
  return pathToBytes(text).subarray(0, NAME_FIELD);
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself; a string where it is ASCII. */
function record(key: string, value: string): string | Buffer {
  if (PLAIN.test(value)) {
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

/** A header block without names, size, time and checksum, and the sum of its bytes. */
interface Blank {
  readonly typeflag: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly bytes: Buffer;
  readonly sum: number;
}

/** The last one made: most files are as the one before. */
let lastBlank: Blank | undefined;

function blockOf(typeflag: number, mode: number, uid: number, gid: number): Blank {
  const last = lastBlank;
  if (last?.typeflag === typeflag && last.mode === mode && last.uid === uid && last.gid === gid) {
    return last;
  }
  const bytes = Buffer.alloc(BLOCK);
  // The checksum field counts as eight spaces.
  let sum = 8 * 0x20 + typeflag;
  sum += octal(bytes, MODE, 7, mode);
  sum += octal(bytes, MODE + 8, 7, uid);
  sum += octal(bytes, MODE + 16, 7, gid);
  bytes[CHECKSUM + 8] = typeflag;
  for (const [index, byte] of MAGIC.entries()) {
    bytes[MAGIC_FIELD + index] = byte;
    sum += byte;
  }
  lastBlank = { typeflag, mode, uid, gid, bytes, sum };
  return lastBlank;
}

/** Puts a whole block, sealed with its checksum. */
function putBlock(
  header: Buffer,
  at: number,
  blank: Blank,
  fields: {
    readonly name: string | Buffer;
    readonly link: string | Buffer;
    readonly size: number;
    readonly mtime: number;
  },
): void {
  header.set(blank.bytes, at);
  let { sum } = blank;
  sum += putName(header, at, fields.name);
  if (fields.link.length > 0) sum += putName(header, at + LINK_NAME, fields.link);
  sum += octal(header, at + SIZE, 11, fields.size);
  sum += octal(header, at + SIZE + 12, 11, fields.mtime);
  octal(header, at + CHECKSUM, 6, sum);
  header[at + CHECKSUM + 7] = 0x20;
}

/** Returns the sum of what it put. */
function putName(header: Buffer, at: number, name: string | Buffer): number {
  if (typeof name === "string") header.write(name, at, "latin1");
  else name.copy(header, at);
  let sum = 0;
  for (let i = at; i < at + name.length; i++) sum += header[i]!;
  return sum;
}

/** The block before PAX records of this length together; the last one made is mostly the next. */
let lastPax: { readonly length: number; readonly bytes: Buffer } | undefined;

function paxBlock(length: number): Buffer {
  if (lastPax?.length !== length) {
    const bytes = Buffer.alloc(BLOCK);
    const blank = blockOf(TYPEFLAG.pax, 0o644, 0, 0);
    putBlock(bytes, 0, blank, { name: PAX_NAME, link: "", size: length, mtime: 0 });
    lastPax = { length, bytes };
  }
  return lastPax.bytes;
}

/** `digits` octal digits, whose sum it returns; the NUL after them is there already. */
function octal(header: Buffer, at: number, digits: number, value: number): number {
  // In two parts of at most 30 bits, which take shifts instead of divisions.
  let high = Math.floor(value / 2 ** 30);
  let low = value - high * 2 ** 30;
  let sum = digits * ZERO;
  let i = at + digits - 1;
  for (let bits = 0; bits < 30 && i >= at; bits += 3, i--) {
    const digit = low & 7;
    header[i] = ZERO + digit;
    sum += digit;
    low >>= 3;
  }
  for (; i >= at; i--) {
    const digit = high & 7;
    header[i] = ZERO + digit;
    sum += digit;
    high >>= 3;
  }
  return sum;
}
