import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { extractArchive } from "../../src/archive/extract.ts";
import { ArchiveReader } from "../../src/archive/read-archive.ts";
import type { ByteRange } from "../../src/byte-range.ts";
import { openAge } from "../../src/encryption/age.ts";
import { differences, treeOf } from "../support/trees.ts";
import { makeWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.remove());

function write(name: string, content: string | Uint8Array): void {
  fs.mkdirSync(path.dirname(world.at("tree", name)), { recursive: true });
  fs.writeFileSync(world.at("tree", name), content);
}

/** A file as a source that counts what is asked of it. */
function counting(file: string): { range: ByteRange; read: () => number; open: () => number } {
  let count = 0;
  let reading = 0;
  const range: ByteRange = {
    size: fs.statSync(file).size,
    async *read(start, end) {
      count += end - start;
      const bytes = Buffer.alloc(end - start);
      const fd = fs.openSync(file, "r");
      fs.readSync(fd, bytes, 0, bytes.length, start);
      fs.closeSync(fd);
      reading += 1;
      try {
        yield bytes;
      } finally {
        reading -= 1;
      }
    },
  };
  return { range, read: () => count, open: () => reading };
}

test("one file of many is read with few bytes of the archive", async () => {
  for (let i = 0; i < 12; i++) write(`random-${String(i).padStart(2, "0")}`, randomBytes(2 ** 20));
  write("random-05x", "the one that is wanted");
  const { size, entry } = await world.backup({});
  const { range, read } = counting(world.at("store", entry));
  const reader = await ArchiveReader.open(await openAge(range, world.key));
  fs.mkdirSync(world.at("part"));
  const { totals } = await extractArchive(reader, {
    root: world.at("part"),
    include: ["random-05x"],
  });
  expect(totals).toEqual({ files: 1, directories: 1, links: 0, bytes: 22 });
  expect(fs.readdirSync(world.at("part"))).toEqual(["random-05x"]);
  expect(fs.readFileSync(world.at("part", "random-05x"), "utf8")).toBe("the one that is wanted");
  expect(size).toBeGreaterThan(12 * 2 ** 20);
  // A frame of 2 MiB and the end of the archive.
  expect(read()).toBeLessThan(3 * 2 ** 20);
});

test("what a part is read from is closed again", async () => {
  // One small read, far from the end that is kept in memory.
  write("first", Buffer.alloc(2 ** 22, "first"));
  write("random", randomBytes(2 ** 22));
  const { entry } = await world.backup({});
  const { range, open } = counting(world.at("store", entry));
  const reader = await ArchiveReader.open(await openAge(range, world.key));
  await extractArchive(reader, { root: undefined, include: ["first"] });
  expect(open()).toBe(0);
});

test("parts come with the folders above them, modes and times included", async () => {
  write("a/b/c/file", "wanted");
  write("a/b/other", "not wanted");
  write("z", "not wanted");
  fs.chmodSync(world.at("tree", "a", "b"), 0o750);
  fs.utimesSync(world.at("tree", "a"), 1, 1000);
  await world.backup({});
  await world.restore({ include: ["a/b/c"] });
  const before = treeOf(world.at("tree"));
  for (const gone of ["a/b/other", "z"]) before.delete(gone);
  expect(differences(before, treeOf(world.at("restored")), { tolerance: 1000n })).toEqual([]);
});

test("globs select across the tree, large and small files alike", async () => {
  write("a/one.txt", "1");
  write("a/two.bin", randomBytes(5 * 2 ** 20));
  write("b/three.txt", randomBytes(3 * 2 ** 20));
  write("b/four.bin", "4");
  write("c/empty.txt", "");
  await world.backup({});
  const { totals } = await world.restore({ include: ["*.txt"] });
  expect(totals.files).toBe(3);
  for (const name of ["a/one.txt", "b/three.txt", "c/empty.txt"]) {
    expect(
      fs.readFileSync(world.at("restored", name)).equals(fs.readFileSync(world.at("tree", name))),
    ).toBe(true);
  }
});

test("a hard link brings its content along when the name that holds it is not asked for", async () => {
  write("a/holder", "shared content");
  fs.mkdirSync(world.at("tree", "b", "deep"), { recursive: true });
  fs.linkSync(world.at("tree", "a", "holder"), world.at("tree", "b", "deep", "first"));
  fs.linkSync(world.at("tree", "a", "holder"), world.at("tree", "b", "second"));
  write("b/z", "also");
  fs.chmodSync(world.at("tree", "b", "deep"), 0o555);
  await world.backup({});
  const { totals } = await world.restore({ include: ["b"] });
  expect(totals).toMatchObject({ files: 2, links: 1 });
  const restored = (name: string) => world.at("restored", "b", name);
  expect(fs.readFileSync(restored("deep/first"), "utf8")).toBe("shared content");
  expect(fs.statSync(restored("second")).ino).toBe(fs.statSync(restored("deep/first")).ino);
  expect(fs.statSync(restored("deep")).mode & 0o777).toBe(0o555);
  expect(fs.readdirSync(world.at("restored"))).toEqual(["b"]);

  await world.restore({ include: ["second"], to: world.at("alone") });
  expect(fs.readFileSync(world.at("alone", "b", "second"), "utf8")).toBe("shared content");
});

test("what matches nothing is said, and leaves nothing", async () => {
  write("a", "a");
  await world.backup({});
  await expect(world.restore({ include: ["nothing"] })).rejects.toMatchObject({
    code: "not-found",
  });
  expect(fs.existsSync(world.at("restored"))).toBe(false);
});
