import { RestbackupError } from "../../errors.ts";

/**
 * The header block of a tar member as V7, ustar, POSIX and GNU tar write it: POSIX.1-2017 "pax",
 * "ustar Interchange Format"; GNU tar 1.35 manual, "Basic Tar Format".
 */

export const BLOCK = 512;

export interface Header {
  /** Bytes, the ustar prefix included. */
  readonly name: Buffer;
  readonly link: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** One character; an old file's NUL is "0". */
  readonly typeflag: string;
  /** The block itself, for what only some types have. */
  readonly block: Buffer;
}

const USTAR = Buffer.from("ustar\0", "latin1");

/** Reads a header block; undefined for one of zeros. Throws `damaged` when its checksum is wrong. */
export function parseHeader(shared: Buffer): Header | undefined {
  if (shared.every((byte) => byte === 0)) return undefined;
  if (!isSound(shared)) {
    throw new RestbackupError(
      "damaged",
      "The archive is damaged, or no tar archive: the checksum of a header is wrong.",
    );
  }
  const block = Buffer.from(shared);
  const name = text(block, 0, 100);
  const prefix = block.subarray(257, 263).equals(USTAR) ? text(block, 345, 155) : Buffer.alloc(0);
  const flag = block[156]!;
  return {
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]),
    link: text(block, 157, 100),
    mode: parseNumber(block, 100, 8) & 0o7777,
    uid: parseNumber(block, 108, 8),
    gid: parseNumber(block, 116, 8),
    size: parseSize(block, 124),
    mtime: parseNumber(block, 136, 12),
    typeflag: flag === 0 ? "0" : String.fromCharCode(flag),
    block,
  };
}

/** A field of 12 bytes that holds a length or position. */
export function parseSize(block: Buffer, at: number): number {
  const size = parseNumber(block, at, 12);
  if (size < 0) throw badNumber();
  return size;
}

/** Bytes up to the first NUL. */
function text(block: Buffer, at: number, length: number): Buffer {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

/** Some old writers summed signed bytes. The checksum's own field counts as spaces. */
function isSound(block: Buffer): boolean {
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at]!;
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  const stated = octal(block, 148, 8);
  return stated === unsigned || stated === signed;
}

/** Octal digits, or in GNU tar's extension a big-endian two's complement number (base-256). */
function parseNumber(block: Buffer, at: number, length: number): number {
  const first = block[at]!;
  const value = (first & 0x80) === 0 ? octal(block, at, length) : base256(block, at, length);
  if (value === undefined || !Number.isSafeInteger(value)) throw badNumber();
  return value;
}

function octal(block: Buffer, at: number, length: number): number | undefined {
  const digits = block
    .toString("latin1", at, at + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  // Blank stands for zero. What follows a terminator is left over from something else.
  const match = /^([0-7]*)(?:[\0 ]|$)/.exec(digits);
  return match === null ? undefined : Number.parseInt(match[1] || "0", 8);
}

function base256(block: Buffer, at: number, length: number): number {
  const bytes = Buffer.from(block.subarray(at, at + length));
  // The top bit says that this is base-256; the one below is the sign.
  const negative = (bytes[0]! & 0x40) !== 0;
  bytes[0] = negative ? bytes[0]! | 0x80 : bytes[0]! & 0x7f;
  return Number(BigInt.asIntN(length * 8, BigInt(`0x${bytes.toString("hex")}`)));
}

function badNumber(): RestbackupError {
  return new RestbackupError("damaged", "The archive is damaged: a number in a header is none.");
}
