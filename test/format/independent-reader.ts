import { createHash, createHmac, createPublicKey, hkdfSync, verify } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { Decrypter } from "age-encryption";
import { Parser } from "tar";
import { decodeBech32 } from "./bech32.ts";
import {
  type Authentication,
  checkAuthentication,
  checkIndex,
  checkLine,
  type Index,
  refuseUnless,
} from "./independent-forms.ts";
import { bytesOf, headerOf, type Line, padded } from "./independent-tar.ts";

/**
 * A reader of docs/format.md, version 1, that shares nothing with the product: written from the
 * document, so that the document is known to suffice. Holds everything in memory. The steps are
 * those of the section "Reading".
 */

export interface ReaderKey {
  readonly identity?: string;
  readonly passphrase?: string;
  /** The one signer that is trusted. */
  readonly signer?: string;
}

export interface Read {
  readonly index: Index;
  readonly entries: readonly Line[];
  readonly proof: "hmac" | "signature" | "none";
  /** What the `tar` package finds in the tar: SHA-256 of each file's content, by its path. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * @param entry the entry name the archive was found under
 * @param stored the archive, its volumes one after the other
 */
export async function readArchive(
  entry: string,
  stored: Uint8Array,
  key: ReaderKey,
): Promise<Read> {
  // 1: the age package verifies every chunk, the last one as the last.
  const decrypter = new Decrypter();
  if (key.identity !== undefined) decrypter.addIdentity(key.identity);
  if (key.passphrase !== undefined) decrypter.addPassphrase(key.passphrase);
  const stream = Buffer.from(await decrypter.decrypt(stored));

  const { frames, end } = readSeekTable(stream); // 2
  const { start, indexBytes, indexStart, authentication } = readContentsFrame(stream, frames, end);
  const index = JSON.parse(indexBytes.toString()) as Index; // 3
  checkIndex(index, start + indexStart);
  checkAuthentication(authentication);
  const tarSize = frames.reduce((sum, { decompressed }) => sum + decompressed, 0);
  refuseUnless(index.tarSize === tarSize, "of another tar size");
  refuseUnless(index.archive === entry, "of another name"); // 4
  const proof = proofOf(authentication, indexBytes, key); // 5
  const entries = readEntries(stream, index.segments); // 6
  checkOrder(entries);
  const skipped = frames.filter(({ decompressed }) => decompressed === 0);
  refuseUnless(skipped.length - 1 <= index.segments.length, "with too many contents frames"); // 7
  const tar = Buffer.concat(frames.map((frame) => readFrame(stream, frame)));
  const starts = checkTar(tar, entries);
  for (const [at, segment] of placedSegments(index.segments)) {
    refuseUnless(segment.start === starts[at], "with a segment of another start");
  }
  checkTotals(entries, index.totals); // 8
  return { index, entries, proof, digests: await digestsByTar(tar, entries) };
}

interface Frame {
  readonly at: number;
  readonly compressed: number;
  readonly decompressed: number;
}

// "Seek table"
function readSeekTable(stream: Buffer): { frames: Frame[]; end: number } {
  refuseUnless(stream.readUInt32LE(stream.length - 4) === 0x8f92eab1, "without seek table");
  refuseUnless(stream[stream.length - 5] === 0, "with checksums");
  const count = stream.readUInt32LE(stream.length - 9);
  const end = stream.length - (8 + 8 * count + 9);
  refuseUnless(stream.readUInt32LE(end) === 0x184d2a5e, "whose seek table is no frame");
  refuseUnless(stream.readUInt32LE(end + 4) === 8 * count + 9, "whose seek table is cut");
  const frames: Frame[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const compressed = stream.readUInt32LE(end + 8 + 8 * i);
    const decompressed = stream.readUInt32LE(end + 12 + 8 * i);
    frames.push({ at, compressed, decompressed });
    at += compressed;
  }
  refuseUnless(at === end, "whose seek table does not add up");
  return { frames, end };
}

// "Contents list"
function readContentsFrame(stream: Buffer, frames: readonly Frame[], end: number) {
  const { at: start, decompressed } = frames.at(-1)!;
  const frame = stream.subarray(start, end);
  refuseUnless(decompressed === 0 && isContentsFrame(frame), "without contents frame");
  refuseUnless(frame.toString("latin1", frame.length - 8) === "RESTBKUP", "without footer");
  const proofStart = frame.length - 16 - frame.readUInt32LE(frame.length - 12);
  const indexStart = proofStart - frame.readUInt32LE(frame.length - 16);
  refuseUnless(indexStart >= 8, "whose footer claims too much");
  return {
    start,
    indexStart,
    indexBytes: frame.subarray(indexStart, proofStart),
    authentication: JSON.parse(
      frame.toString("utf8", proofStart, frame.length - 16),
    ) as Authentication,
  };
}

function isContentsFrame(frame: Buffer): boolean {
  return frame.readUInt32LE(0) === 0x184d2a52 && frame.readUInt32LE(4) === frame.length - 8;
}

// "zstd frames"
function readFrame(stream: Buffer, { at, compressed, decompressed }: Frame): Buffer {
  const frame = stream.subarray(at, at + compressed);
  if (decompressed > 0) return decompressOne(frame, decompressed);
  refuseUnless(isContentsFrame(frame), "with an empty frame that is no contents frame");
  return Buffer.alloc(0);
}

function decompressOne(frame: Buffer, size: number): Buffer {
  refuseUnless(size <= 64 * 2 ** 20, "with too big a frame");
  refuseUnless(frameEnd(frame) === frame.length, "with something behind a frame");
  const content = zstdDecompressSync(frame, { maxOutputLength: size + 1 });
  refuseUnless(content.length === size, "with a frame of another size");
  return content;
}

/** Where a frame ends by its headers (RFC 8878, 3.1.1), as the decompressor does not say. */
function frameEnd(frame: Buffer): number {
  const descriptor = frame[4]!;
  const single = (descriptor & 0x20) !== 0;
  const sizeField = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + sizeField;
  let header = 0;
  do {
    header = frame.readUIntLE(at, 3);
    const isRepeatedByte = ((header >> 1) & 3) === 1;
    at += 3 + (isRepeatedByte ? 1 : header >> 3);
  } while ((header & 1) === 0);
  return at + (descriptor & 4);
}

// "Entries"
function readEntries(stream: Buffer, segments: Index["segments"]): Line[] {
  const all: Line[] = [];
  for (const { offset, size, length, sha256, entries, first } of segments) {
    const frame = stream.subarray(offset, offset + size);
    refuseUnless(sha256Of(frame) === sha256, "with a segment of another digest");
    const text = decompressOne(frame, length).toString();
    refuseUnless(text === "" || text.endsWith("\n"), "with a line that does not end");
    const lines = text.split("\n").slice(0, -1).map(parseLine);
    refuseUnless(lines.length === entries, "with a segment of other length");
    refuseUnless((lines[0]?.path ?? first) === first, "with a segment of other beginning");
    all.push(...lines);
  }
  return all;
}

function parseLine(text: string): Line {
  const line = JSON.parse(text) as Line;
  checkLine(line);
  return line;
}

// "Order"
function checkOrder(entries: readonly Line[]): void {
  // The folder an entry lies in and those above it, each with the last name in it.
  const open = [{ path: "", last: "" }];
  const files = new Set<string>();
  for (const [index, { path, type, target }] of entries.entries()) {
    if (path === ".") {
      refuseUnless(index === 0 && type === "directory", "with a root elsewhere");
      continue;
    }
    const [, parent = "", name = ""] = /^(?:(.*)\/)?([^/]*)$/s.exec(path)!;
    while (open.length > 0 && open.at(-1)!.path !== parent) open.pop();
    const folder = open.at(-1);
    refuseUnless(folder !== undefined && name > folder.last, "that is not in order");
    folder.last = name;
    if (type === "directory") open.push({ path, last: "" });
    if (type === "file") files.add(path);
    if (type === "hardlink") refuseUnless(files.has(target!), "with a link to nothing");
  }
}

/** "Tar": it is what the entries give, byte for byte. Returns where each entry begins. */
function checkTar(tar: Buffer, entries: readonly Line[]): number[] {
  const starts: number[] = [];
  let at = 0;
  const expect = (bytes: Buffer): void => {
    refuseUnless(tar.subarray(at, at + bytes.length).equals(bytes), "whose tar says otherwise");
    at += bytes.length;
  };
  for (const line of entries) {
    starts.push(at);
    expect(headerOf(line));
    if (line.type !== "file") continue;
    const size = line.size!;
    refuseUnless(line.offset === at, "with a file elsewhere");
    const content = tar.subarray(at, at + size);
    refuseUnless(sha256Of(content) === line.sha256, "with a file of another digest");
    at += size;
    expect(Buffer.alloc(padded(size) - size));
  }
  expect(Buffer.alloc(1024));
  refuseUnless(at === tar.length, "whose tar goes on");
  return starts;
}

/** Each segment with the number of its first entry. */
function placedSegments(segments: Index["segments"]): [number, Index["segments"][number]][] {
  let at = 0;
  return segments.map((segment) => {
    at += segment.entries;
    return [at - segment.entries, segment];
  });
}

function checkTotals(entries: readonly Line[], totals: Index["totals"]): void {
  const count = (...types: string[]) => entries.filter(({ type }) => types.includes(type)).length;
  const bytes = entries.reduce((sum, { size = 0 }) => sum + size, 0);
  refuseUnless(
    totals.files === count("file") &&
      totals.directories === count("directory") &&
      totals.links === count("symlink", "hardlink") &&
      totals.bytes === bytes,
    "whose totals do not add up",
  );
}

// "Authentication"
function proofOf(authentication: Authentication, index: Buffer, key: ReaderKey): Read["proof"] {
  const message = messageOf(index);
  if (authentication.hmac === hmacOf(message, secretOf(key))) return "hmac";
  const { signature } = authentication;
  if (signature === undefined || signature.signer !== key.signer) return "none";
  const { bytes, prefix } = decodeBech32(signature.signer);
  const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") };
  const publicKey = createPublicKey({ key: jwk, format: "jwk" });
  const value = Buffer.from(signature.value, "base64");
  const isSigned = prefix === "restbackup-signer" && verify(null, message, publicKey, value);
  return isSigned ? "signature" : "none";
}

export function messageOf(index: Buffer): Buffer {
  const digest = createHash("sha256").update(index).digest();
  return Buffer.concat([Buffer.from("restbackup v1 contents\0"), digest]);
}

export function hmacOf(message: Buffer, secret: Buffer): string {
  const derived = hkdfSync("sha256", secret, "", "restbackup v1 contents hmac", 32);
  return createHmac("sha256", Buffer.from(derived)).update(message).digest("hex");
}

export function secretOf({ identity, passphrase }: ReaderKey): Buffer {
  return identity === undefined ? Buffer.from(passphrase!) : decodeBech32(identity).bytes;
}

/** A tar reader by others, for a second opinion. It knows names in UTF-8 only, and no empty tar. */
async function digestsByTar(tar: Buffer, entries: readonly Line[]): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  if (entries.length === 0) return digests;
  const parser = new Parser({ strict: true });
  parser.on("entry", (entry) => {
    const hash = createHash("sha256");
    entry.on("data", (piece: Buffer) => hash.update(piece));
    entry.on("end", () => {
      if (entry.type === "File") digests.set(entry.path, hash.digest("hex"));
    });
  });
  await new Promise<void>((resolve, reject) => {
    parser.on("end", resolve).on("error", reject);
    parser.end(tar);
  });
  return digests;
}

/** A path as that reader gives it. */
export function pathInTar(path: string): string {
  return bytesOf(path).toString();
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
