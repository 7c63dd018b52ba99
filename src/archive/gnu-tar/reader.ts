import { RestbackupError } from "../../errors.ts";
import { printable } from "../../naming.ts";
import { MAX_MTIME } from "../contents.ts";
import { pathFromBytes } from "../path-bytes.ts";
import { ByteReader } from "./byte-reader.ts";
import { BLOCK, type Header, parseHeader } from "./header.ts";
import { parsePaxRecords } from "./pax-records.ts";
import {
  checkSparse,
  readOldSparse,
  readPaxSparse,
  type SparseFile,
  type SparseRecords,
} from "./sparse.ts";

/** One member of a tar archive. */
export interface TarMember {
  /** As the archive gives it, not checked; bytes that are not UTF-8 as in `pathFromBytes`. */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "special";
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970 as a decimal string with up to nine decimals. */
  readonly mtime: string;
  /** Files: bytes, holes included. */
  readonly size: number;
  /** Symbolic links: where they lead. Hard links: the path of a member before. */
  readonly target: string;
  readonly sparse: boolean;
  /** Directories in an incremental archive: what they held (`parseDumpdir`). */
  readonly dumpdir: Buffer | undefined;
  /** Files: what is stored, holes left out. To be read before the next member, or not at all. */
  content(): AsyncGenerator<TarPiece>;
}

/** Bytes of a file in a tar archive, and where in the file they belong. */
export interface TarPiece {
  readonly at: number;
  readonly bytes: Buffer;
}

/** Extended headers, long names and folder lists are held whole. */
const MAX_HELD = 64 * 2 ** 20;

/**
 * Reads a tar archive as it comes: V7, ustar, POSIX (PAX) and GNU formats, with long names, sparse
 * files and the lists of incremental archives. Reads to the end of `source`, so that what it checks
 * there is checked. Throws `damaged`, also where the marks at the end are missing; and `damaged`
 * with words of their own for one volume of several.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  const reader = new ByteReader(source);
  try {
    const globals = new Map<string, Buffer>();
    let state = new Extensions(globals);
    for (;;) {
      const header = parseHeader(await reader.read(BLOCK));
      if (header === undefined) break;
      const held = () => readHeld(reader, header.size);
      switch (header.typeflag) {
        case "g":
          for (const { keyword, value } of parsePaxRecords(await held())) {
            globals.set(keyword, value);
          }
          continue;
        case "x":
        case "X":
          state.add(await held());
          continue;
        case "L":
          state.longName = untilNul(await held());
          continue;
        case "K":
          state.longLink = untilNul(await held());
          continue;
        case "V":
          // The label of a volume.
          await reader.skip(padded(header.size));
          continue;
        case "M":
          throw multiVolume();
        case "N":
          throw new RestbackupError(
            "damaged",
            "The archive holds names in a form that GNU tar gave up in 1994.",
          );
        default:
          yield* member(header, state, reader);
          state = new Extensions(globals);
      }
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

/** Yields the member, and leaves the reader after its content. */
async function* member(
  header: Header,
  state: Extensions,
  reader: ByteReader,
): AsyncGenerator<TarMember> {
  if (state.has("GNU.volume.offset")) throw multiVolume();
  const path = pathFromBytes(
    state.bytes("GNU.sparse.name") ?? state.bytes("path") ?? state.longName ?? header.name,
  );
  const kind = kindOf(header, path);
  // A hard link may state the size of its file, and nothing follows.
  const stored = kind === "hardlink" ? 0 : (state.number("size") ?? header.size);
  if (stored < 0) throw damagedHeader();
  const sparse =
    kind !== "file"
      ? undefined
      : header.typeflag === "S"
        ? await readOldSparse(header, reader)
        : await readPaxSparse(state.sparse(), reader);
  const mapBytes = sparse?.mapBytes ?? 0;
  if (mapBytes > stored) throw damagedHeader();
  if (sparse !== undefined) checkSparse(sparse, stored - mapBytes);
  let left = padded(stored) - mapBytes;
  let dumpdir: Buffer | undefined;
  if (kind === "directory") {
    dumpdir = state.bytes("GNU.dumpdir");
    if (header.typeflag === "D" && dumpdir === undefined) {
      dumpdir = await readHeld(reader, stored);
      left = 0;
    }
  }
  yield {
    path,
    kind,
    mode: header.mode,
    uid: state.number("uid") ?? header.uid,
    gid: state.number("gid") ?? header.gid,
    mtime: state.time("mtime") ?? timeOf(header.mtime),
    size: kind === "file" ? (sparse?.size ?? stored) : 0,
    target: pathFromBytes(state.bytes("linkpath") ?? state.longLink ?? header.link),
    sparse: sparse !== undefined,
    dumpdir,
    async *content() {
      if (kind !== "file") return;
      const data = reader.take(stored - mapBytes);
      for await (const piece of sparse === undefined ? placed(data) : spread(sparse, data)) {
        left -= piece.bytes.length;
        yield piece;
      }
    },
  };
  await reader.skip(left);
}

function kindOf({ typeflag }: Header, path: string): TarMember["kind"] {
  switch (typeflag) {
    case "1":
      return "hardlink";
    case "2":
      return "symlink";
    case "3":
    case "4":
    case "6":
      return "special";
    case "5":
    case "D":
      return "directory";
    case "0":
      // V7 had no other way to say that something is a directory.
      return path.endsWith("/") ? "directory" : "file";
    case "7":
    case "S":
      return "file";
    default:
      throw new RestbackupError(
        "damaged",
        `${printable(path)} is of a kind that is not known: "${printable(typeflag)}".`,
      );
  }
}

async function* placed(data: AsyncIterable<Buffer>): AsyncGenerator<TarPiece> {
  let at = 0;
  for await (const bytes of data) {
    yield { at, bytes };
    at += bytes.length;
  }
}

/** Stored bytes at the places where they belong. */
async function* spread(
  { extents }: SparseFile,
  data: AsyncIterable<Buffer>,
): AsyncGenerator<TarPiece> {
  let index = 0;
  let done = 0;
  for await (const bytes of data) {
    for (let taken = 0; taken < bytes.length; ) {
      // The last may be empty, to tell the size.
      while (extents[index]!.length === done) {
        index += 1;
        done = 0;
      }
      const { at, length } = extents[index]!;
      const part = bytes.subarray(taken, taken + length - done);
      yield { at: at + done, bytes: part };
      taken += part.length;
      done += part.length;
    }
  }
}

/** What stands before a member and is said of it. */
class Extensions {
  longName: Buffer | undefined;
  longLink: Buffer | undefined;
  readonly #globals: ReadonlyMap<string, Buffer>;
  readonly #records = new Map<string, Buffer>();
  readonly #sparseNumbers: string[] = [];

  constructor(globals: ReadonlyMap<string, Buffer>) {
    this.#globals = globals;
  }

  add(content: Buffer): void {
    for (const { keyword, value } of parsePaxRecords(content)) {
      // These two come again for every extent.
      if (keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes") {
        const even = this.#sparseNumbers.length % 2 === 0;
        if (even !== (keyword === "GNU.sparse.offset")) throw damagedHeader();
        this.#sparseNumbers.push(value.toString("latin1"));
      } else {
        this.#records.set(keyword, value);
      }
    }
  }

  has(keyword: string): boolean {
    return this.#value(keyword) !== undefined;
  }

  /** A record's value, NUL and all for dumpdirs; no name holds one. */
  bytes(keyword: string): Buffer | undefined {
    const value = this.#value(keyword);
    if (value?.includes(0) === true && keyword !== "GNU.dumpdir") throw damagedHeader();
    return value;
  }

  number(keyword: string): number | undefined {
    const value = this.#value(keyword)?.toString("latin1");
    if (value === undefined) return undefined;
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw damagedHeader();
    return number;
  }

  time(keyword: string): string | undefined {
    const value = this.#value(keyword)?.toString("latin1");
    if (value === undefined) return undefined;
    const match = /^(-?\d{1,16})(?:\.(\d*))?$/.exec(value);
    if (match === null) throw damagedHeader();
    const whole = timeOf(Number(match[1]));
    const decimals = (match[2] ?? "").slice(0, 9);
    // Number would lose the sign of "-0.5".
    const sign = value.startsWith("-0") && !whole.startsWith("-") ? "-" : "";
    return decimals === "" ? whole : `${sign}${whole}.${decimals}`;
  }

  sparse(): SparseRecords {
    const text = (keyword: string) => this.#value(keyword)?.toString("latin1");
    const size = text("GNU.sparse.realsize") ?? text("GNU.sparse.size");
    const major = text("GNU.sparse.major");
    const minor = text("GNU.sparse.minor");
    const map = text("GNU.sparse.map");
    return {
      ...(size === undefined ? {} : { size }),
      ...(major === undefined ? {} : { major }),
      ...(minor === undefined ? {} : { minor }),
      numbers: map === undefined || map === "" ? this.#sparseNumbers : map.split(","),
    };
  }

  /** An empty value takes back a global one. */
  #value(keyword: string): Buffer | undefined {
    const value = this.#records.get(keyword) ?? this.#globals.get(keyword);
    return value === undefined || value.length === 0 ? undefined : value;
  }
}

async function readHeld(reader: ByteReader, size: number): Promise<Buffer> {
  if (size > MAX_HELD) {
    throw new RestbackupError("damaged", "The archive has an extended header of over 64 MiB.");
  }
  const content = Buffer.from(await reader.read(size));
  await reader.skip(padded(size) - size);
  return content;
}

function untilNul(content: Buffer): Buffer {
  const end = content.indexOf(0);
  return end < 0 ? content : content.subarray(0, end);
}

function timeOf(seconds: number): string {
  if (Math.abs(seconds) > MAX_MTIME) throw damagedHeader();
  return String(seconds);
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function multiVolume(): RestbackupError {
  return new RestbackupError(
    "damaged",
    "The archive is one volume of several, as tar --multi-volume makes them.",
    { hint: "Such a set can only be restored by GNU tar itself: tar -x --multi-volume." },
  );
}

function damagedHeader(): RestbackupError {
  return new RestbackupError("damaged", "The archive is damaged: a header contradicts itself.");
}
