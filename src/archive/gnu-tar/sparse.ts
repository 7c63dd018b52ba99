import { RestbackupError } from "../../errors.ts";
import type { ByteReader } from "./byte-reader.ts";
import { BLOCK, type Header, parseSize } from "./header.ts";

/**
 * Files with holes, in the four ways GNU tar stored them over time (manual, "Storing Sparse
 * Files"): the old GNU format, and PAX formats 0.0, 0.1 and 1.0.
 */

/** A piece of a file that is stored; between pieces are holes. */
interface Extent {
  readonly at: number;
  readonly length: number;
}

export interface SparseFile {
  /** Size of the file, holes included. */
  readonly size: number;
  /** In ascending order. */
  readonly extents: readonly Extent[];
  /** Bytes of the member's content that the map itself took. */
  readonly mapBytes: number;
}

/** Bounds memory: a file of a terabyte in which every second megabyte is a hole has half as many. */
const MAX_EXTENTS = 2 ** 20;

/** The old GNU format: four extents in the header, more in blocks after it. */
export async function readOldSparse({ block }: Header, reader: ByteReader): Promise<SparseFile> {
  const size = parseSize(block, 483);
  const extents: Extent[] = [];
  take(extents, block, 386, 4);
  let more = block[482] !== 0;
  while (more) {
    const extension = await reader.read(BLOCK);
    take(extents, extension, 0, 21);
    more = extension[504] !== 0;
  }
  return { size, extents, mapBytes: 0 };
}

function take(extents: Extent[], block: Buffer, start: number, count: number): void {
  for (let at = start; at < start + count * 24; at += 24) {
    if (block[at + 12] === 0) return;
    add(extents, { at: parseSize(block, at), length: parseSize(block, at + 12) });
  }
}

/** What PAX records say of holes. */
export interface SparseRecords {
  readonly size?: string;
  readonly major?: string;
  readonly minor?: string;
  /** Numbers of format 0.1 (`GNU.sparse.map`), or of 0.0 (`offset` and `numbytes`), in pairs. */
  readonly numbers: readonly string[];
}

/** PAX formats; undefined where there is no word of holes. */
export async function readPaxSparse(
  { size, major, minor, numbers }: SparseRecords,
  reader: ByteReader,
): Promise<SparseFile | undefined> {
  if (size === undefined) return undefined;
  if (major === undefined || major === "0") {
    const extents: Extent[] = [];
    for (let index = 0; index < numbers.length; index += 2) {
      add(extents, { at: decimal(numbers[index]), length: decimal(numbers[index + 1]) });
    }
    return { size: decimal(size), extents, mapBytes: 0 };
  }
  if (major !== "1" || minor !== "0") {
    throw new RestbackupError("damaged", "The archive stores holes in a way that is not known.");
  }
  return { size: decimal(size), ...(await readMap(reader)) };
}

/** Format 1.0: the map stands before the content, a number a line, filled up to whole blocks. */
async function readMap(reader: ByteReader): Promise<Pick<SparseFile, "extents" | "mapBytes">> {
  let mapBytes = 0;
  let text = "";
  const next = async (): Promise<number> => {
    let end = text.indexOf("\n");
    while (end < 0) {
      if (text.length > 32) throw badMap();
      text += (await reader.read(BLOCK)).toString("latin1");
      mapBytes += BLOCK;
      end = text.indexOf("\n");
    }
    const number = decimal(text.slice(0, end));
    text = text.slice(end + 1);
    return number;
  };
  const extents: Extent[] = [];
  const count = await next();
  for (let index = 0; index < count; index++) {
    const at = await next();
    add(extents, { at, length: await next() });
  }
  return { extents, mapBytes };
}

function add(extents: Extent[], extent: Extent): void {
  if (extents.length >= MAX_EXTENTS) {
    throw new RestbackupError("damaged", `A file in the archive has over ${MAX_EXTENTS} holes.`);
  }
  extents.push(extent);
}

function decimal(text: string | undefined): number {
  const number = text !== undefined && /^\d{1,19}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw badMap();
  return number;
}

/** Throws `damaged` unless the extents lie one after the other in the file and are all stored. */
export function checkSparse({ size, extents }: SparseFile, stored: number): void {
  let end = 0;
  let sum = 0;
  for (const { at, length } of extents) {
    if (at < end) throw badMap();
    end = at + length;
    sum += length;
  }
  if (end > size || sum !== stored) throw badMap();
}

function badMap(): RestbackupError {
  return new RestbackupError("damaged", "The archive is damaged: a list of holes is none.");
}
