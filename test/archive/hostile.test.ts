import { createHash } from "node:crypto";
import fs from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import { compressFrame } from "../../src/archive/frame.ts";
import type { RestoreOptions } from "../../src/operations/restore.ts";
import { forge, type Lies, type Stated } from "./hostile.ts";
import { makeWorld, type World } from "./world.ts";

const ENTRY = "test-20261123T000000Z.tar.zst.age";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  fs.mkdirSync(world.at("outside"));
  fs.writeFileSync(world.at("outside", "file"), "untouched");
});
afterEach(() => {
  fs.rmSync(world.at("store", ENTRY), { force: true });
  fs.rmSync(world.at("store", ".restbackup"), { recursive: true, force: true });
  fs.rmSync(world.at("into"), { recursive: true, force: true });
});
afterAll(() => world.remove());

async function store(entries: readonly Stated[], lies: Lies = {}): Promise<void> {
  fs.writeFileSync(world.at("store", ENTRY), await forge(ENTRY, world.key, entries, lies));
}

/** Restores into a folder of its own; on refusal nothing may be there or anywhere else. */
async function refused(options: Partial<RestoreOptions> = {}): Promise<string> {
  fs.mkdirSync(world.at("into"));
  const error = await world.restore({ to: world.at("into", "target"), ...options }).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ name: "RestbackupError", code: "damaged" });
  expect(fs.readdirSync(world.at("into"))).toEqual([]);
  expect(fs.readdirSync(world.at("outside"))).toEqual(["file"]);
  expect(fs.readFileSync(world.at("outside", "file"), "utf8")).toBe("untouched");
  expect(fs.readdirSync(world.folder).sort()).toEqual(["into", "key.txt", "outside", "store"]);
  fs.rmdirSync(world.at("into"));
  return error.message;
}

async function verifyRefuses(): Promise<void> {
  await expect(world.verify()).rejects.toMatchObject({ code: "damaged" });
}

const ROOT: Stated = { path: ".", type: "directory", mode: 0o755 };
const file = (path: string, content = `content of ${path}`): Stated => ({ path, content });
const folder = (path: string): Stated => ({ path, type: "directory", mode: 0o755 });

test("what the forger writes without lying is restored", async () => {
  await store([ROOT, file("a"), folder("b"), file("b/c", "x".repeat(10_000)), file("d", "")]);
  await world.verify();
  await world.restore({ to: world.at("honest") });
  expect(fs.readFileSync(world.at("honest", "b", "c"), "utf8")).toBe("x".repeat(10_000));
  fs.rmSync(world.at("honest"), { recursive: true });
});

const HOSTILE_TREES: Record<string, readonly Stated[]> = {
  "a path with ..": [ROOT, file("../outside/evil")],
  "a path with .. in its middle": [ROOT, folder("a"), file("a/../../outside/evil")],
  "a path that is ..": [ROOT, folder("..")],
  "an absolute path": [ROOT, file("/etc/evil")],
  "an empty path": [ROOT, file("")],
  "an empty part": [ROOT, folder("a"), file("a//b")],
  "a trailing slash": [ROOT, folder("a/")],
  "a part that is a dot": [ROOT, folder("a"), file("a/./b")],
  "a file in the root's place": [file(".")],
  "a NUL in a path": [ROOT, file("a\0b")],
  "a lone surrogate that stands for no byte": [ROOT, file("a\ud800b")],
  "an escape of ASCII": [ROOT, file("\udc2e\udc2e")],
  "a second spelling of valid UTF-8": [ROOT, file("\udcc3\udca9"), file("é")],
  "a file through a symbolic link": [
    ROOT,
    { path: "a", type: "symlink", target: "../outside" },
    file("a/evil"),
  ],
  "a folder over a symbolic link": [
    ROOT,
    { path: "a", type: "symlink", target: "../outside" },
    folder("a"),
    file("a/evil"),
  ],
  "a symbolic link over a folder": [
    ROOT,
    folder("a"),
    { path: "a", type: "symlink", target: "../outside" },
    file("a/evil"),
  ],
  "a symbolic link through a symbolic link": [
    ROOT,
    { path: "a", type: "symlink", target: "../outside" },
    { path: "a/b", type: "symlink", target: "x" },
  ],
  "a symbolic link that leads to nothing at all": [
    ROOT,
    { path: "a", type: "symlink", target: "" },
  ],
  "a symbolic link with a NUL": [ROOT, { path: "a", type: "symlink", target: "x\0y" }],
  "a hard link to outside": [ROOT, { path: "a", type: "hardlink", target: "../outside/file" }],
  "a hard link to an absolute path": [ROOT, { path: "a", type: "hardlink", target: "/etc/passwd" }],
  "a hard link to something absent": [ROOT, { path: "a", type: "hardlink", target: "b" }],
  "a hard link to what comes later": [
    ROOT,
    { path: "a", type: "hardlink", target: "b" },
    file("b"),
  ],
  "a hard link to itself": [ROOT, { path: "a", type: "hardlink", target: "a" }],
  "a hard link to a symbolic link": [
    ROOT,
    { path: "a", type: "symlink", target: "../outside/file" },
    { path: "b", type: "hardlink", target: "a" },
  ],
  "a hard link to a folder": [ROOT, folder("a"), { path: "b", type: "hardlink", target: "a" }],
  "a hard link to the root": [ROOT, { path: "b", type: "hardlink", target: "." }],
  "a hard link through a symbolic link": [
    ROOT,
    { path: "a", type: "symlink", target: "../outside" },
    { path: "b", type: "hardlink", target: "a/file" },
  ],
  "a hard link below a file": [ROOT, file("a"), { path: "b", type: "hardlink", target: "a/below" }],
  "a name twice": [ROOT, file("a"), file("a", "other")],
  "a folder twice": [ROOT, folder("a"), file("a/b"), folder("a")],
  "the root twice": [ROOT, { ...ROOT, mode: 0o700 }],
  "the root late": [file("a"), ROOT],
  "names out of order": [ROOT, file("b"), file("a")],
  "a file below a file": [ROOT, file("a"), file("a/b")],
  "a missing parent folder": [ROOT, file("a/b")],
  "a folder that is left and entered again": [ROOT, folder("a"), file("b"), file("a/c")],
  "an unknown type": [ROOT, { path: "a", type: "device" as never }],
  "mode bits that are none": [ROOT, { ...file("a"), mode: 0o10644 }],
  "a time that is none": [ROOT, { ...file("a"), mtime: "soon" as never }],
};

describe("an authentic archive is refused, and leaves nothing, when it holds", () => {
  test.each(Object.entries(HOSTILE_TREES))("%s", async (_, entries) => {
    await store(entries);
    await refused();
  });

  test.each(Object.entries(HOSTILE_TREES).filter(([name]) => !name.startsWith("a hard link")))(
    "%s, also when only a part is asked for",
    async (_, entries) => {
      await store(entries);
      await refused({ include: ["**"] });
    },
  );

  test.each(Object.entries(HOSTILE_TREES).filter(([name]) => name.startsWith("a hard link")))(
    "%s, also to verify",
    async (_, entries) => {
      await store(entries);
      await verifyRefuses();
    },
  );
});

const TREE: readonly Stated[] = [
  ROOT,
  file("a", "first"),
  file("b", "y".repeat(9000)),
  { path: "c", type: "symlink", target: "a" },
];

function change(path: string, fields: object): Lies {
  return { entry: (entry) => (entry.path === path ? { ...entry, ...fields } : entry) };
}

const zero = createHash("sha256").update("0").digest("hex");

const LIES: Record<string, Lies> = {
  "a size too small": change("b", { size: 8999 }),
  "a size too large": change("b", { size: 9001 }),
  "a size beyond everything": change("b", { size: 2 ** 52 }),
  "a size that is none": change("b", { size: -1 }),
  "an offset": change("b", { offset: 0 }),
  "an offset by one": { entry: (e) => (e.path === "b" ? { ...e, offset: e.offset! + 1 } : e) },
  "a digest": change("a", { sha256: zero }),
  "the digest of a large file": change("b", { sha256: zero }),
  "a digest that is none": change("a", { sha256: "00" }),
  "a mode": change("a", { mode: 0o4777 }),
  "an owner": change("a", { uid: 1234 }),
  "a time": change("a", { mtime: "1700000001" }),
  "a link's target": change("c", { target: "b" }),
  "a name": change("a", { path: "aa" }),
  "totals of files": { index: (i) => ({ ...i, totals: { ...i.totals, files: 3 } }) },
  "totals of bytes": { index: (i) => ({ ...i, totals: { ...i.totals, bytes: 1 } }) },
  "totals of links": { index: (i) => ({ ...i, totals: { ...i.totals, links: 0 } }) },
  "the length of the tar": { index: (i) => ({ ...i, tarSize: i.tarSize + 512 }) },
  "where a segment starts": {
    index: (i) => ({ ...i, segments: [{ ...i.segments[0], start: 5000 }] }),
  },
  "where a segment lies": {
    index: (i) => ({ ...i, segments: [{ ...i.segments[0], offset: i.segments[0]!.offset + 1 }] }),
  },
  "a segment beyond the end": {
    index: (i) => ({ ...i, segments: [{ ...i.segments[0], offset: 2 ** 40 }] }),
  },
  "a segment's length": {
    index: (i) => ({ ...i, segments: [{ ...i.segments[0], length: 10 }] }),
  },
  "a segment's digest": {
    index: (i) => ({ ...i, segments: [{ ...i.segments[0], sha256: zero }] }),
  },
  "no segments": { index: (i) => ({ ...i, segments: [] }) },
  "a segment twice": { index: (i) => ({ ...i, segments: [i.segments[0], i.segments[0]] }) },
  "a segment that is none": { index: (i) => ({ ...i, segments: [null] }) },
  "another format": { index: (i) => ({ ...i, format: 2 }) },
  "no name": { index: ({ archive, ...i }) => i },
  "an index that is no JSON": { indexBytes: () => Buffer.from("{") },
  "an index that is null": { indexBytes: () => Buffer.from("null") },
  "an index that is no object": { indexBytes: () => Buffer.from('"text"') },
  "an empty index": { indexBytes: () => Buffer.alloc(0) },
  "a line that is no JSON": { segment: () => Buffer.from("{\n") },
  "a line that is null": { segment: () => Buffer.from("null\n") },
  "a line without end": { segment: (lines) => lines.subarray(0, -1) },
  "one entry too few": { segment: (lines) => lines.subarray(0, lines.lastIndexOf("\n", -2) + 1) },
  "one entry too many": {
    segment: (lines) =>
      Buffer.concat([
        lines,
        Buffer.from('{"path":"z","type":"directory","mode":493,"mtime":"0"}\n'),
      ]),
  },
  "a footer without its mark": { footer: (f) => Buffer.concat([f.subarray(0, 15), Buffer.of(0)]) },
  "an index longer than the list": {
    footer: (f) => {
      f.writeUInt32LE(2 ** 20, 0);
      return f;
    },
  },
  "an impossible index": {
    footer: (f) => {
      f.writeUInt32LE(2 ** 32 - 1, 0);
      return f;
    },
  },
  "a header's name": {
    header: (header, { path }) => (path === "a" ? headerOf(header, "A") : header),
  },
  "what follows a file's content": {
    tar: (tar) => {
      tar[tar.indexOf("first") + 5] = 1;
      return tar;
    },
  },
  "a tar without its end": { tar: (tar) => tar.subarray(0, -1024) },
  "a tar with half its end": { tar: (tar) => tar.subarray(0, -512) },
  "a tar that goes on": { tar: (tar) => Buffer.concat([tar, Buffer.alloc(512)]) },
  "an end that is not zeros": {
    tar: (tar) => {
      tar[tar.length - 1] = 1;
      return tar;
    },
  },
  "a frame's content size, too small": {
    frames: ([first, ...rest]) => [{ ...first!, decompressed: first!.decompressed - 1 }, ...rest],
  },
  "a frame's content size, too large": {
    frames: ([first, ...rest]) => [{ ...first!, decompressed: first!.decompressed + 1 }, ...rest],
  },
  "a frame's content size, far too large": {
    frames: ([first, ...rest]) => [{ ...first!, decompressed: 2 ** 31 }, ...rest],
  },
  "a frame's content size, as none at all": {
    frames: ([first, ...rest]) => [{ ...first!, decompressed: 0 }, ...rest],
  },
  "a frame's length": {
    frames: ([first, second, ...rest]) => [
      { ...first!, compressed: first!.compressed + 1 },
      { ...second!, compressed: second!.compressed - 1 },
      ...rest,
    ],
  },
  "frames in another order": { frames: ([first, second, ...rest]) => [second!, first!, ...rest] },
  "a seek table without its mark": {
    seekTable: (t) => Buffer.concat([t.subarray(0, -1), Buffer.of(0)]),
  },
  "a seek table of more frames": {
    seekTable: (t) => {
      t.writeUInt32LE(1000, t.length - 9);
      return t;
    },
  },
  "a seek table of a vast number of frames": {
    seekTable: (t) => {
      t.writeUInt32LE(2 ** 32 - 1, t.length - 9);
      return t;
    },
  },
  "a seek table with checksums": {
    seekTable: (t) => {
      t[t.length - 5] = 0x80;
      return t;
    },
  },
  "no seek table": { seekTable: () => Buffer.alloc(0) },
  "a contents list of another kind": {
    contents: (frame) => {
      frame.writeUInt32LE(0x184d2a50, 0);
      return frame;
    },
  },
};

/** The header with another name in it, its checksum right. */
function headerOf(header: Buffer, name: string): Buffer {
  header.write(name, 0, "latin1");
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

describe("an authentic archive is refused, and leaves nothing, when it lies about", () => {
  test.each(Object.entries(LIES))("%s", async (_, lies) => {
    await store(TREE, lies);
    await refused();
  });

  test("what only stock tools would see: a frame hidden behind another", async () => {
    const hidden = Buffer.from(await compressFrame(Buffer.alloc(512, 1), 3));
    await store(TREE, {
      frames: ([first, ...rest]) => [
        {
          ...first!,
          bytes: Buffer.concat([first!.bytes, hidden]),
          compressed: first!.compressed + hidden.length,
        },
        ...rest,
      ],
    });
    await refused();
    await verifyRefuses();
  });

  test.each([0, 1])(
    "what only stock tools would see: a frame said to hold nothing, at %i",
    async (at) => {
      const bytes = Buffer.from(await compressFrame(Buffer.alloc(512, 1), 3));
      const hidden = { bytes, compressed: bytes.length, decompressed: 0 };
      await store(TREE, {
        frames: (frames) => frames.toSpliced(at === 0 ? 0 : frames.length, 0, hidden),
      });
      await refused();
      await verifyRefuses();
    },
  );
});

test("a frame that would unpack to gigabytes is refused before it does", async () => {
  const bomb = Buffer.from(await compressFrame(Buffer.alloc(32 * 2 ** 20), 3));
  await store(TREE, {
    frames: ([first, ...rest]) => [{ ...first!, bytes: bomb, compressed: bomb.length }, ...rest],
  });
  await refused();
});

test("a symbolic link may lead anywhere, as nothing is written through it", async () => {
  const links: ContentsEntry[] = ["/etc", "../../outside", "."].map((target, index) => ({
    path: `l${index}`,
    type: "symlink",
    mode: 0o777,
    mtime: "1700000000",
    target,
  }));
  await store([ROOT, ...links]);
  await world.restore({ to: world.at("links") });
  expect(fs.readlinkSync(world.at("links", "l0"))).toBe("/etc");
  fs.rmSync(world.at("links"), { recursive: true });
});
