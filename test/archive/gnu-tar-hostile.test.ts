import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { RestbackupError } from "../../src/errors.ts";
import { root, unprivileged } from "../operations/world.ts";
import { requireProgram } from "../support/programs.ts";
import { differences, treeOf } from "../support/trees.ts";
import { apply, newTree, scratch } from "./gnu-tar-apply.ts";
import { archiveOf, dumpdir, type HandMade, member, pax } from "./gnu-tar-writer.ts";

/** A tree beside a folder that must never change, applied to a link away from it. */
function world() {
  const folder = scratch();
  const outside = join(folder, "outside");
  fs.mkdirSync(outside);
  fs.writeFileSync(join(outside, "file"), "precious");
  const before = treeOf(outside);
  const made = newTree(folder);
  return {
    ...made,
    outside,
    untouched: () => {
      expect(differences(before, treeOf(outside))).toEqual([]);
      expect(fs.readdirSync(folder).sort()).toEqual(["ours", "outside"]);
    },
  };
}

async function refused(members: readonly HandMade[], setUp: readonly HandMade[] = []) {
  const { tree, untouched, outside } = world();
  const at = (one: HandMade): HandMade => ({
    ...one,
    ...(one.link === undefined ? {} : { link: one.link.replace("OUTSIDE", outside) }),
  });
  if (setUp.length > 0) await apply(tree, archiveOf(...setUp.map(at)));
  const error = await apply(tree, archiveOf(...members.map(at))).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  untouched();
  expect(error).toBeInstanceOf(RestbackupError);
  return error as RestbackupError;
}

const link: HandMade = { name: "way", type: "2", link: "../outside" };

describe("an archive that reaches outside of its folder is refused, and nothing there changes", () => {
  const cases: Record<string, readonly HandMade[]> = {
    "a name with ..": [{ name: "../outside/file", content: "taken" }],
    "a name with .. further down": [{ name: "a/../../outside/file", content: "taken" }],
    "a folder with ..": [{ name: "../outside", type: "5", mode: 0o700 }],
    "a PAX name with ..": [pax({ path: "../outside/file" }), { name: "x", content: "taken" }],
    "a long name with ..": [
      { name: "././@LongLink", type: "L", content: "../outside/file\0" },
      { name: "x", content: "taken" },
    ],
    "a file through a link": [link, { name: "way/file", content: "taken" }],
    "a file through an absolute link": [
      { name: "way", type: "2", link: "OUTSIDE" },
      { name: "way/file", content: "taken" },
    ],
    "a folder through a link": [link, { name: "way/new", type: "5" }],
    "a link through a link": [link, { name: "way/new", type: "2", link: "x" }],
    "a hard link through a link": [link, { name: "mine", type: "1", link: "way/file" }],
    "a hard link to outside": [{ name: "mine", type: "1", link: "../outside/file" }],
    "a hard link into a link": [
      { name: "mine", content: "x" },
      link,
      { name: "way/file", type: "1", link: "mine" },
    ],
    "a list that renames to outside": [
      { name: "./", type: "D", content: dumpdir("Da", "Ra", "T../outside/a") },
    ],
    "a list that renames from outside": [
      { name: "./", type: "D", content: dumpdir("R../outside/file", "Tmine") },
    ],
  };
  it.each(Object.entries(cases))("%s", async (_, members) => {
    const error = await refused(members, [{ name: "a", type: "5" }]);
    expect(error.code).toBe("damaged");
  });
});

describe("links do not lead lists of folders outside", () => {
  const setUp = [link, { name: "a", type: "5" }] satisfies HandMade[];

  it("a list of a folder that is a link deletes nothing behind it", async () => {
    const { tree, root, untouched } = world();
    await apply(tree, archiveOf(...setUp));
    await apply(tree, archiveOf({ name: "way", type: "D", content: dumpdir("Yother") }));
    untouched();
    expect(fs.lstatSync(join(root, "way")).isDirectory()).toBe(true);
  });

  it("a rename into a link puts a folder in its place", async () => {
    const { tree, root, untouched } = world();
    await apply(tree, archiveOf(...setUp));
    const list = dumpdir("Dway", "Ra", "Tway/a");
    await apply(tree, archiveOf({ name: "./", type: "D", content: list }));
    untouched();
    expect(fs.readdirSync(join(root, "way"))).toEqual(["a"]);
  });

  it("a rename from behind a link finds nothing", async () => {
    const { tree, untouched, warnings } = world();
    await apply(tree, archiveOf(...setUp));
    const list = dumpdir("Yway", "Rway/file", "Tmine");
    await apply(tree, archiveOf({ name: "./", type: "D", content: list }));
    untouched();
    expect(warnings.join()).toContain("could not be renamed");
  });

  it("a folder that a link took the place of gets its look nowhere", async () => {
    const { tree, untouched } = world();
    const folder = { name: "way", type: "5", mode: 0o777 };
    await apply(tree, archiveOf(folder, link));
    untouched();
  });
});

describe("an archive that is not as GNU tar writes it", () => {
  it("has absolute names count from the folder", async () => {
    const { tree, root, untouched } = world();
    await apply(tree, archiveOf({ name: "/etc/restbackup-test", content: "here" }));
    untouched();
    expect(fs.readFileSync(join(root, "etc/restbackup-test"), "utf8")).toBe("here");
    expect(fs.existsSync("/etc/restbackup-test")).toBe(false);
  });

  it("gives no devices and pipes, in words", async () => {
    const { tree, root, warnings } = world();
    await apply(
      tree,
      archiveOf(
        { name: "null", type: "3" },
        { name: "disk", type: "4" },
        { name: "pipe", type: "6" },
        { name: "same", type: "1", link: "pipe" },
      ),
    );
    expect(fs.readdirSync(root)).toEqual([]);
    expect(warnings).toHaveLength(4);
  });

  it("that holds a name twice gives the later", async () => {
    const { tree, root } = world();
    await apply(
      tree,
      archiveOf(
        { name: "a", content: "one" },
        { name: "b", type: "1", link: "a" },
        { name: "a", content: "two" },
        { name: "c", type: "5" },
        { name: "c/x", content: "x" },
        { name: "c", content: "a file after all" },
      ),
    );
    expect(fs.readFileSync(join(root, "a"), "utf8")).toBe("two");
    expect(fs.readFileSync(join(root, "b"), "utf8")).toBe("one");
    expect(fs.readFileSync(join(root, "c"), "utf8")).toBe("a file after all");
  });

  it.each([
    ["a record that does not exist", dumpdir("Qa")],
    ["a rename without an end", dumpdir("Ra")],
    ["an end without a rename", dumpdir("Ta")],
    ["a temporary name that was not made", dumpdir("Ra", "T")],
    ["one that is not used up", dumpdir("X.", "Ra", "T")],
    ["no NUL at the end", "Ya"],
  ])("is refused for a list of a folder with %s", async (_, content) => {
    const error = await refused([{ name: "./", type: "D", content }]);
    expect(error.code).toBe("damaged");
  });

  it("is refused for sizes that are none, and headers that ask for memory", async () => {
    const huge = Buffer.alloc(12, 0xff);
    huge[0] = 0x80;
    const gigabyte = Buffer.from("10000000000\0", "latin1");
    for (const [type, size] of [
      ["0", huge],
      ["0", Buffer.alloc(12, 0xff)],
      ["x", gigabyte],
      ["L", gigabyte],
      ["D", gigabyte],
    ] as const) {
      expect((await refused([{ name: "a", type, size }])).code).toBe("damaged");
    }
  });

  it.each([
    ["overlapping", "0,10,5,10"],
    ["beyond the file", "0,10,90,20"],
    ["not in pairs", "0,10,5"],
    ["no numbers", "0,ten"],
    ["of more than is stored", "0,50"],
  ])("is refused for holes that are %s", async (_, map) => {
    const records = { "GNU.sparse.size": "100", "GNU.sparse.map": map };
    const error = await refused([pax(records), { name: "a", content: "x".repeat(20) }]);
    expect(error.code).toBe("damaged");
  });

  it("writes no more than was allowed", async () => {
    const folder = scratch();
    const { tree } = newTree(folder, 100_000);
    const error = await apply(tree, archiveOf({ name: "a", content: Buffer.alloc(200_000) })).then(
      () => undefined,
      (thrown: RestbackupError) => thrown,
    );
    expect(error).toMatchObject({ code: "io", hint: expect.stringContaining("--max-size") });
  });

  it("is refused without its end, wherever it was cut", async () => {
    const whole = archiveOf(
      { name: "a/", type: "5" },
      { name: "a/b", content: "x".repeat(1000) },
      { name: "c", type: "2", link: "a" },
    );
    for (let length = 0; length <= whole.length - 1024; length += 64) {
      await expect(apply(undefined, whole.subarray(0, length))).rejects.toMatchObject({
        code: "damaged",
      });
    }
  });

  it("with any byte changed gives an error of ours or something, and nothing outside", async () => {
    const whole = archiveOf(
      { name: "./", type: "D", content: dumpdir("Da", "Yb", "Nold", "X.", "Ra", "T", "R", "Tz") },
      { name: "a/", type: "5" },
      pax({ path: "a/b", mtime: "-1.5", "GNU.sparse.size": "99", "GNU.sparse.map": "9,4" }),
      { name: "x", content: "data" },
      { name: "way", type: "2", link: "../outside" },
      { name: "hard", type: "1", link: "a/b" },
    );
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      byte: fc.integer({ min: 0, max: 255 }),
      seal: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const { tree, untouched } = world();
        const bytes = Buffer.from(whole);
        for (const { at, byte, seal } of changes) {
          bytes[at] = byte;
          if (seal) sealAgain(bytes, at - (at % 512));
        }
        await apply(tree, bytes).catch((error: unknown) => {
          expect(error).toBeInstanceOf(RestbackupError);
        });
        untouched();
      }),
      { numRuns: 60 },
    );
  });
});

/** Makes a changed header's checksum right, so that what is behind it is reached. */
function sealAgain(bytes: Buffer, at: number): void {
  const block = bytes.subarray(at, at + 512);
  if (block.toString("latin1", 257, 262) !== "ustar") return;
  block.write("        ", 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
}

const mounts =
  root && process.platform === "linux" && requireProgram("mount", "no archive fills a disk");

describe.skipIf(!mounts)("an archive that unpacks to more than there is room for", () => {
  /** A small disk, applied to. */
  async function onSmallDisk(options: string, members: readonly HandMade[]) {
    const folder = scratch();
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
    onTestFinished(() => void execFileSync("umount", [folder]));
    const error = await apply(newTree(folder).tree, archiveOf(...members)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { error, left: fs.statfsSync(folder) };
  }

  it("stops while some of the disk is free", async () => {
    const files = Array.from({ length: 30 }, (_, index) => ({
      name: `${index}`,
      content: Buffer.alloc(3 * 2 ** 20),
    }));
    const { error, left } = await onSmallDisk("size=64m", files);
    expect(error).toMatchObject({ code: "io", message: expect.stringContaining("do not fit") });
    expect(left.bavail).toBeGreaterThan(0);
  });

  it("stops while the disk can hold more files", async () => {
    const files = Array.from({ length: 31_000 }, (_, index) => ({ name: `${index}` }));
    const { error, left } = await onSmallDisk("size=640m,nr_inodes=30000", files);
    expect(error).toMatchObject({ code: "io", message: expect.stringContaining("do not fit") });
    expect(left.ffree).toBeGreaterThan(0);
  });
});

describe("folders that may not be written to", () => {
  it("take changes, renames and deletions, and are again as they were", async () => {
    const folder = scratch();
    fs.chmodSync(folder, 0o777);
    await unprivileged(async () => {
      const { tree, root } = newTree(folder);
      const folderOf = (name: string, mode: number, ...records: string[]): HandMade => ({
        name,
        type: "D",
        mode,
        content: dumpdir(...records),
      });
      await apply(
        tree,
        archiveOf(
          folderOf("./", 0o755, "Da"),
          folderOf("a/", 0o555, "Db", "Yold"),
          folderOf("a/b/", 0o111, "Yx"),
          { name: "a/old", content: "old" },
          { name: "a/b/x", content: "x" },
        ),
      );
      expect(modesOf(root, "a", "a/b")).toEqual(["555", "111"]);
      await apply(
        tree,
        archiveOf(
          folderOf("./", 0o755, "Da", "Dc", "Ra/b", "Tc"),
          folderOf("a/", 0o555, "Ynew"),
          folderOf("c/", 0o111, "Nx"),
          { name: "a/new", content: "new" },
        ),
      );
      expect(fs.readdirSync(join(root, "a"))).toEqual(["new"]);
      expect(modesOf(root, "a", "c")).toEqual(["555", "111"]);
      // A plain archive says nothing of the folder that it puts a file in.
      await apply(tree, archiveOf({ name: "a/more", content: "more" }));
      expect(modesOf(root, "a", "c")).toEqual(["555", "111"]);
      expect(fs.readFileSync(join(root, "c/x"), "utf8")).toBe("x");
    });
  });
});

function modesOf(root: string, ...paths: string[]): string[] {
  return paths.map((path) => (fs.statSync(join(root, path)).mode & 0o7777).toString(8));
}

const tar = requireProgram("tar", "one volume of several is refused in words");

describe.skipIf(!tar)("one volume of several", () => {
  it("is refused in words that say what it is", async () => {
    const folder = scratch();
    fs.writeFileSync(join(folder, "big"), Buffer.alloc(100_000, 1));
    const volumes = ["one.tar", "two.tar", "three.tar"].map((name) => join(folder, name));
    execFileSync("tar", [
      ...["--create", "--multi-volume", "--tape-length=50", "--directory", folder],
      ...volumes.flatMap((volume) => ["--file", volume]),
      "big",
    ]);
    await expect(apply(undefined, volumes[1]!)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining("one volume of several"),
      hint: expect.stringContaining("--multi-volume"),
    });
    await expect(apply(undefined, volumes[0]!)).rejects.toMatchObject({ code: "damaged" });
  });
});

describe("a header", () => {
  it("may have a signed checksum, and none that is wrong", async () => {
    const name = Buffer.from("é");
    const block = member({ name: "é" });
    const signed = [...block.subarray(0, 512)].reduce((sum, byte, at) => {
      if (at >= 148 && at < 156) return sum + 0x20;
      return sum + (byte < 0x80 ? byte : byte - 0x100);
    }, 0);
    expect(name.some((byte) => byte >= 0x80)).toBe(true);
    block.write(`${signed.toString(8).padStart(6, "0")}\0 `, 148);
    const end = Buffer.alloc(1024);
    await expect(apply(undefined, Buffer.concat([block, end]))).resolves.toMatchObject({
      files: 1,
    });
    block.write(`${(signed + 1).toString(8).padStart(6, "0")}\0 `, 148);
    await expect(apply(undefined, Buffer.concat([block, end]))).rejects.toMatchObject({
      message: expect.stringContaining("checksum"),
    });
  });
});
