import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import type { Packed } from "../../src/archive/packed-parts.ts";
import { ArchiveReader } from "../../src/archive/read-archive.ts";
import { paddedSize, TRAILER, tarHeader } from "../../src/archive/tar-header.ts";
import { writeArchive } from "../../src/archive/write-archive.ts";
import type { ByteRange } from "../../src/byte-range.ts";
import { show } from "../../src/operations/restore.ts";
import { requireProgram } from "../support/programs.ts";
import { forge, type Lies, type Stated } from "./hostile.ts";
import { makeWorld, type World } from "./world.ts";

const ENTRY = "test-20261123T000000Z.tar.zst.age";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.remove());

const ROOT: Stated = { path: ".", type: "directory", mode: 0o755 };
const file = (path: string): Stated => ({ path, content: `content of ${path}` });
const TREE: readonly Stated[] = [ROOT, file("a"), file("b")];

async function store(entries: readonly Stated[], lies: Lies = {}): Promise<void> {
  fs.writeFileSync(world.at("store", ENTRY), await forge(ENTRY, world.key, entries, lies));
}

/** Refused as damaged by a restore of all and of a part, leaving nothing. */
async function refused(parts: readonly string[] = ["**"]): Promise<void> {
  const to = world.at("into", "target");
  for (const options of [{ to }, { to, include: parts }]) {
    await expect(world.restore(options)).rejects.toMatchObject({
      name: "RestbackupError",
      code: "damaged",
    });
    expect(fs.existsSync(world.at("into"))).toBe(false);
  }
}

/** JSON nested deeper than a call stack. */
const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const DEPTH = 200_000;

function segmentLie(fields: object): Lies {
  return { index: (i) => ({ ...i, segments: [{ ...i.segments[0], ...fields }] }) };
}

describe("a contents list is refused that states", () => {
  test.each<[string, Lies]>([
    ["more entries than it has", segmentLie({ entries: 4 })],
    ["fewer entries than it has", segmentLie({ entries: 2 })],
    ["another first entry", segmentLie({ first: "a" })],
    [
      "a format that is no number, and deep",
      {
        indexBytes: (bytes) =>
          Buffer.from(bytes.toString().replace('"format":1', `"format":${deep(DEPTH)}`)),
      },
    ],
    ["a text as its format", { index: (i) => ({ ...i, format: "\u001b[2J" }) }],
    [
      "more of itself than its tar could hold",
      { segment: (lines) => Buffer.concat([lines, Buffer.from(`"${"x".repeat(30_000)}"\n`)]) },
    ],
    [
      "two segments at one place",
      {
        index: (i) => ({ ...i, segments: [i.segments[0], { ...i.segments[0], length: 0 }] }),
      },
    ],
  ])("%s", async (_, lies) => {
    await store(TREE, lies);
    await refused();
  });

  test.each<[string, object]>([
    ["a time no calendar reaches", { mtime: "8640000000001" }],
    ["a time no calendar reached", { mtime: "-8640000000000.5" }],
    ["a change that is none", { changed: "\u001b[2J" }],
    ["holes that are neither there nor not", { sparse: "yes" }],
  ])("%s", async (_, fields) => {
    await store([ROOT, { ...file("a"), ...fields } as Stated]);
    await refused();
  });

  test("a link to another link, which may not be among what is restored", async () => {
    await store([
      ROOT,
      file("a"),
      { path: "b", type: "hardlink", target: "a" },
      { path: "c", type: "hardlink", target: "b" },
    ]);
    await refused(["c"]);
    await expect(world.verify()).rejects.toMatchObject({ code: "damaged" });
  });

  test.each(["absent", "folder", "link"])("a link to what is no file: %s", async (target) => {
    await store([
      ROOT,
      { path: "folder", type: "directory", mode: 0o755 },
      { path: "link", type: "symlink", target: "x" },
      { path: "z", type: "hardlink", target },
    ]);
    await refused(["z"]);
    await expect(world.verify()).rejects.toMatchObject({ code: "damaged" });
  });
});

test("what a later format adds is ignored, however deep, and not passed on", async () => {
  await store(TREE, {
    indexBytes: (bytes) => Buffer.from(bytes.toString().replace(/^\{/, `{"added":${deep(DEPTH)},`)),
    entry: (entry) => ({ ...entry, added: [[[]]], target: entry.type === "file" ? 7 : undefined }),
  });
  const { entries, index } = await show({ store: world.store, key: world.key });
  expect(Object.keys(index)).not.toContain("added");
  const seen = await Array.fromAsync(entries);
  expect(seen.map((entry) => Object.keys(entry).sort())).toEqual([
    ["mode", "mtime", "path", "type"],
    ["mode", "mtime", "offset", "path", "sha256", "size", "type"],
    ["mode", "mtime", "offset", "path", "sha256", "size", "type"],
  ]);
  await world.verify();
  await world.restore({ to: world.at("later") });
  expect(fs.readdirSync(world.at("later"))).toEqual(["a", "b"]);
  fs.rmSync(world.at("later"), { recursive: true });
});

test.skipIf(!fs.existsSync("/dev/shm"))(
  "a time beyond all calendars is kept as far as they reach",
  async () => {
    const tree = fs.mkdtempSync("/dev/shm/restbackup-test-");
    try {
      fs.writeFileSync(`${tree}/file`, "");
      execFileSync("touch", ["-d", "@99999999999999999", `${tree}/file`]);
      await world.backup({ paths: [tree], name: "far" });
      const { entries } = await show({ store: world.store, key: world.key, name: "far" });
      const [, listed] = await Array.fromAsync(entries);
      expect(listed).toMatchObject({ path: "file", mtime: "8640000000000" });
      await world.restore({ name: "far", to: `${tree}/restored` });
    } finally {
      fs.rmSync(tree, { recursive: true });
    }
  },
);

/** What a packer would hand over for files without content: entries of random names, in order. */
async function* packed(segmentCount: number, perSegment: number): AsyncGenerator<Packed> {
  let position = 0;
  for (let segment = 0; segment < segmentCount; segment++) {
    const start = position;
    const entries = Array.from({ length: perSegment }, (_, index): ContentsEntry => {
      const order = String(segment * perSegment + index).padStart(9, "0");
      const path = `${order}${randomBytes(2250).toString("base64url")}`;
      const base = { path, type: "file", mode: 0o600, mtime: "0", size: 0 } as const;
      const sha256 = createHash("sha256").digest("hex");
      position += tarHeader(base).length;
      return { ...base, sha256, offset: position };
    });
    const tar = Buffer.concat(entries.map((entry) => tarHeader(entry)));
    const last = segment === segmentCount - 1;
    const content = last ? Buffer.concat([tar, TRAILER]) : tar;
    yield { type: "frame", pieces: [compress(content)], decompressed: content.length };
    const lines = Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    const part = { number: segment, lines, entries: perSegment, start, first: entries[0]!.path };
    yield { type: "segment", segment: part, compressed: compress(lines) };
  }
  const totals = { files: segmentCount * perSegment, directories: 0, links: 0, bytes: 0 };
  yield { type: "done", totals: { ...totals, tarSize: position + TRAILER.length } };
}

function compress(bytes: Uint8Array): Buffer {
  return zlib.zstdCompressSync(bytes, {
    pledgedSrcSize: bytes.length,
    params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 },
  });
}

/** The zstd stream, with every skippable frame of the list told from the frames of content. */
async function writtenStream(parts: AsyncIterable<Packed>): Promise<Buffer> {
  const description = {
    archive: ENTRY,
    created: new Date(0).toISOString(),
    writer: "test",
    source: { paths: [] },
  };
  const batches = await Array.fromAsync(
    writeArchive(parts, description, { authenticate: () => ({}) }),
  );
  return Buffer.concat(batches.flat());
}

function inMemory(bytes: Buffer): ByteRange {
  return {
    size: bytes.length,
    async *read(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}

/** Frames of a zstd stream by the seek table at its end, read by its specification alone. */
function framesOf(stream: Buffer): { magic: number; bytes: Buffer; decompressed: number }[] {
  expect(stream.readUInt32LE(stream.length - 4)).toBe(0x8f92eab1);
  expect(stream[stream.length - 5]).toBe(0);
  const count = stream.readUInt32LE(stream.length - 9);
  const table = stream.length - 9 - count * 8;
  expect(stream.readUInt32LE(table - 8)).toBe(0x184d2a5e);
  expect(stream.readUInt32LE(table - 4)).toBe(count * 8 + 9);
  let at = 0;
  const frames = Array.from({ length: count }, (_, index) => {
    const compressed = stream.readUInt32LE(table + index * 8);
    const decompressed = stream.readUInt32LE(table + index * 8 + 4);
    const bytes = stream.subarray(at, at + compressed);
    at += compressed;
    return { magic: bytes.readUInt32LE(0), bytes, decompressed };
  });
  expect(at).toBe(table - 8);
  return frames;
}

const ZSTD = 0xfd2fb528;
const LIST = 0x184d2a52;

describe("a long contents list", () => {
  let stream: Buffer;
  const PER_SEGMENT = 800;
  const SEGMENTS = 12;
  beforeAll(async () => {
    stream = await writtenStream(packed(SEGMENTS, PER_SEGMENT));
  });

  test("is put between frames of content before 16 MiB of it are in memory twice over", () => {
    const frames = framesOf(stream);
    const kinds = frames.map(({ magic }) => magic);
    expect(kinds.filter((kind) => kind === LIST).length).toBeGreaterThan(1);
    expect(kinds.filter((kind) => kind === ZSTD)).toHaveLength(SEGMENTS);
    expect(kinds.indexOf(LIST)).toBeLessThan(kinds.lastIndexOf(ZSTD));
    for (const { magic, bytes, decompressed } of frames) {
      if (magic === LIST) {
        expect(decompressed).toBe(0);
        expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
        expect(bytes.length).toBeLessThan(2 * 16 * 2 ** 20);
      } else {
        expect(zlib.zstdDecompressSync(bytes)).toHaveLength(decompressed);
      }
    }
  });

  test("is read back whole and in order, and so is the tar around it", async () => {
    const reader = await ArchiveReader.open(inMemory(stream));
    let count = 0;
    let position = 0;
    for await (const entry of reader.entries()) {
      position += tarHeader(entry).length;
      expect(
        entry.offset === position && entry.path.startsWith(String(count).padStart(9, "0")),
      ).toBe(true);
      position += paddedSize(entry.size!);
      count += 1;
    }
    expect(count).toBe(SEGMENTS * PER_SEGMENT);
    let tarSize = 0;
    for await (const { offset, content } of reader.frames()) {
      expect(offset).toBe(tarSize);
      tarSize += content.length;
    }
    expect(tarSize).toBe(reader.index.tarSize);
  });

  test.skipIf(!requireProgram("zstd", "zstd reads an archive with lists between its frames"))(
    "is nothing to zstd, which gives the tar",
    () => {
      fs.writeFileSync(world.at("stream.zst"), stream);
      execFileSync("zstd", ["-tq", world.at("stream.zst")]);
      const hash = execFileSync("bash", [
        "-c",
        'zstd -dcq "$1" | sha256sum',
        "-",
        world.at("stream.zst"),
      ]);
      const tar = createHash("sha256");
      for (const { magic, bytes } of framesOf(stream)) {
        if (magic === ZSTD) tar.update(zlib.zstdDecompressSync(bytes));
      }
      expect(String(hash).slice(0, 64)).toBe(tar.digest("hex"));
      const listed = String(execFileSync("zstd", ["-l", world.at("stream.zst")]));
      const skipped = framesOf(stream).filter(({ magic }) => magic !== ZSTD).length + 1;
      // It counts skipped frames among all.
      expect(listed).toMatch(new RegExp(`\\n\\s*${SEGMENTS + skipped}\\s+${skipped}\\s`));
    },
  );
});
