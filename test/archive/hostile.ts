import { createHash } from "node:crypto";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import {
  encodeFooter,
  encodeIndex,
  indexDigest,
  type StoredIndex,
  skippableHeader,
} from "../../src/archive/contents-list.ts";
import { compressFrame } from "../../src/archive/frame.ts";
import { SeekTableWriter } from "../../src/archive/seek-table.ts";
import { paddedSize, TRAILER, tarHeader } from "../../src/archive/tar-header.ts";
import { createAgeWriter } from "../../src/encryption/age.ts";
import { authenticate } from "../../src/encryption/authentication.ts";
import type { SecretKey } from "../../src/encryption/keys.ts";

/** An entry as a test states it; what is left out is filled in truthfully. */
export type Stated = Partial<ContentsEntry> & { readonly content?: string | Uint8Array };

/** Where a liar can put in a word. Each gets what an honest writer would have written. */
export interface Lies {
  entry?: (entry: ContentsEntry) => object;
  /** The tar header, made for the entry as listed. */
  header?: (header: Buffer, entry: ContentsEntry) => Buffer;
  tar?: (tar: Buffer) => Buffer;
  /** Compressed frames of the tar stream. */
  frames?: (frames: Framed[]) => Framed[];
  segment?: (lines: Buffer) => Buffer;
  index?: (index: StoredIndex) => object;
  indexBytes?: (bytes: Buffer) => Buffer;
  footer?: (footer: Buffer) => Buffer;
  contents?: (frame: Buffer) => Buffer;
  seekTable?: (table: Buffer) => Buffer;
}

interface Framed {
  bytes: Buffer;
  /** What the seek table says of it. */
  compressed: number;
  decompressed: number;
}

const FRAME = 4096;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function complete(stated: Stated, offset: (header: Buffer) => number): [ContentsEntry, Buffer] {
  const { content, ...given } = stated;
  const bytes = Buffer.from(content ?? "");
  const base = { type: "file", mode: 0o644, mtime: "1700000000", ...given } as ContentsEntry;
  if (base.type !== "file") return [base, Buffer.alloc(0)];
  const sized = { size: bytes.length, ...base };
  const entry = { sha256: sha256(bytes), ...sized };
  return [{ offset: offset(tarHeader(entry)), ...entry }, bytes];
}

/**
 * An archive by someone who holds the key, so encrypted and authenticated as any other, but who
 * writes what our writer never would.
 */
export async function forge(
  archive: string,
  key: SecretKey,
  entries: readonly Stated[],
  lies: Lies = {},
): Promise<Buffer> {
  let tar: Buffer = Buffer.alloc(0);
  const listed: ContentsEntry[] = [];
  for (const stated of entries) {
    const [entry, content] = complete(stated, (header) => tar.length + header.length);
    listed.push((lies.entry?.(entry) ?? entry) as ContentsEntry);
    const header = lies.header?.(tarHeader(entry), entry) ?? tarHeader(entry);
    const padding = Buffer.alloc(paddedSize(content.length) - content.length);
    tar = Buffer.concat([tar, header, content, padding]);
  }
  tar = Buffer.concat([tar, TRAILER]);
  tar = lies.tar?.(tar) ?? tar;

  let frames: Framed[] = [];
  for (let at = 0; at < tar.length; at += FRAME) {
    const piece = tar.subarray(at, at + FRAME);
    const bytes = Buffer.from(await compressFrame(piece, 3));
    frames.push({ bytes, compressed: bytes.length, decompressed: piece.length });
  }
  frames = lies.frames?.(frames) ?? frames;
  const position = frames.reduce((sum, { bytes }) => sum + bytes.length, 0);

  const text = listed.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  const lines = lies.segment?.(Buffer.from(text)) ?? Buffer.from(text);
  const segment = Buffer.from(await compressFrame(lines, 3));
  const files = listed.filter(({ type }) => type === "file");
  const honest: StoredIndex = {
    format: 1,
    archive,
    created: "2026-11-23T00:00:00.000Z",
    writer: "forger",
    source: { paths: ["x"] },
    totals: {
      files: files.length,
      directories: listed.filter(({ type }) => type === "directory").length,
      links: listed.filter(({ type }) => type === "symlink" || type === "hardlink").length,
      bytes: files.reduce((sum, { size }) => sum + (size ?? 0), 0),
    },
    tarSize: frames.reduce((sum, { decompressed }) => sum + decompressed, 0),
    warnings: [],
    segments: [
      {
        offset: position + 8,
        size: segment.length,
        length: lines.length,
        entries: listed.length,
        start: 0,
        first: listed[0]?.path ?? "",
        sha256: sha256(segment),
      },
    ],
  };
  const stated = (lies.index?.(honest) ?? honest) as StoredIndex;
  const index = lies.indexBytes?.(encodeIndex(stated)) ?? encodeIndex(stated);
  const proof = Buffer.from(JSON.stringify(authenticate(indexDigest(index), { key })));
  const footer = lies.footer?.(encodeFooter(index, proof)) ?? encodeFooter(index, proof);
  const body = Buffer.concat([segment, index, proof, footer]);
  let contents: Buffer = Buffer.concat([skippableHeader(body.length), body]);
  contents = lies.contents?.(contents) ?? contents;

  const table = new SeekTableWriter();
  for (const { compressed, decompressed } of frames) table.add(compressed, decompressed);
  table.add(contents.length, 0);
  const seekTable = lies.seekTable?.(table.finish()) ?? table.finish();

  const age = await createAgeWriter({ key, recipients: [] });
  const plain = [...frames.map(({ bytes }) => bytes), contents, seekTable];
  return Buffer.concat([
    age.prologue,
    ...plain.flatMap((bytes) => age.update(bytes).map((piece) => Buffer.from(piece))),
    ...age.final(),
  ]);
}
