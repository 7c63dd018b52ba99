import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { RestbackupError } from "../../src/errors.ts";
import { backup } from "../../src/operations/backup.ts";
import { restore } from "../../src/operations/restore.ts";
import { requireProgram } from "../support/programs.ts";
import {
  contentsOf,
  listingOnly,
  newWorld,
  refusalOf,
  root,
  StoreBetween,
  snapshot,
  unprivileged,
  type World,
  windows,
  writeTree,
} from "./world.ts";

const FILES = { "a.txt": "new a\n", "sub/b.txt": "new b\n", "sub/deep/c.txt": "new c\n" };
const LONG_AGO = new Date("2001-02-03T04:05:06Z");

/** A mounted file system of its own, small; gone after the test. */
function mountSmall(folder: string, options: string): void {
  fs.mkdirSync(folder, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  onTestFinished(() => void execFileSync("umount", [folder]));
}

const mounts =
  root && process.platform === "linux" && requireProgram("mount", "full disks are told");
if (!mounts) console.warn("Skipped, as only root mounts: restores to full disks and mount points.");
const linux = process.platform === "linux";
if (!linux) console.warn("Skipped, as paths may be too long elsewhere: taking a merge back.");
if (windows) console.warn("Skipped, as Windows has no modes: links, and folders that are locked.");

/** A target with old files, whose folders carry times and modes that must come back. */
function oldTarget(world: World, files: Record<string, string>): string {
  const target = writeTree(join(world.folder, "place", "target"), files);
  const folders = fs.readdirSync(target, { recursive: true, encoding: "utf8" }).sort().reverse();
  for (const entry of [...folders, "."]) {
    if (fs.statSync(join(target, entry)).isDirectory()) fs.chmodSync(join(target, entry), 0o711);
    fs.utimesSync(join(target, entry), LONG_AGO, LONG_AGO);
  }
  return target;
}

/** Refused, with the target and what lies beside it exactly as before. */
async function refusedUnchanged(world: World, target: string): Promise<RestbackupError> {
  const before = snapshot(target);
  const beside = fs.readdirSync(join(target, ".."));
  const { store, key } = world;
  const error = await refusalOf(restore({ store, key, to: target, overwrite: true }));
  expect(snapshot(target)).toEqual(before);
  expect(fs.readdirSync(join(target, ".."))).toEqual(beside);
  return error;
}

describe("a restore to a new or empty folder", () => {
  it.each(["new", "empty", "deep/below/new"])(
    "brings %s back with its mode and time",
    async (name) => {
      const { folder, store, key } = await newWorld();
      const tree = writeTree(join(folder, "tree"), FILES);
      fs.chmodSync(tree, 0o750);
      fs.utimesSync(tree, LONG_AGO, LONG_AGO);
      await backup({ store, key, name: "site", paths: [tree], cwd: folder });
      const to = join(folder, "place", name);
      if (name === "empty") fs.mkdirSync(to, { recursive: true });

      expect((await restore({ store, key, to })).to).toBe(to);

      expect(contentsOf(to)).toMatchObject(FILES);
      const { mode, mtime } = fs.statSync(to);
      expect(mtime).toEqual(LONG_AGO);
      if (!windows) expect(mode & 0o7777).toBe(0o750);
      expect(fs.readdirSync(join(to, ".."))).toEqual([name.split("/").at(-1)]);
    },
  );

  it("works on the current folder", async () => {
    const { folder, store, key, backUp } = await newWorld();
    await backUp(FILES);
    const current = process.cwd();
    process.chdir(fs.mkdirSync(join(folder, "here"), { recursive: true })!);
    try {
      await restore({ store, key, to: "." });
      expect(fs.readdirSync(".").sort()).toEqual(["a.txt", "sub"]);
    } finally {
      process.chdir(current);
    }
    expect(contentsOf(join(folder, "here"))).toMatchObject(FILES);
  });

  it("leaves no folder made for it when nothing is found", async () => {
    const { folder, store, key } = await newWorld();
    const error = await refusalOf(restore({ store, key, to: join(folder, "made", "for", "it") }));
    expect(error.code).toBe("not-found");
    expect(fs.readdirSync(folder)).toEqual(["store"]);
  });
});

describe("a restore to a folder that holds something", () => {
  it("is refused before the store is asked anything", async () => {
    const { folder, key } = await newWorld();
    const to = writeTree(join(folder, "place", "full"), { mine: "mine\n" });
    const before = snapshot(join(folder, "place"));
    const store = { ...listingOnly([]), list: () => expect.unreachable("the store was asked") };
    expect((await refusalOf(restore({ store, key, to }))).code).toBe("target-exists");
    expect(snapshot(join(folder, "place"))).toEqual(before);
  });

  it("is refused for a file, also with overwrite", async () => {
    const { folder, store, key, backUp } = await newWorld();
    await backUp(FILES);
    const to = join(writeTree(join(folder, "place"), { file: "mine\n" }), "file");
    for (const overwrite of [false, true]) {
      const error = await refusalOf(restore({ store, key, to, overwrite }));
      expect(error.code).toBe("target-exists");
    }
    expect(contentsOf(join(folder, "place"))).toEqual({ file: "mine\n" });
  });

  it("with overwrite replaces files, keeps the others, and swaps files for folders and back", async () => {
    const world = await newWorld();
    await world.backUp({ ...FILES, "was-folder": "a file now\n", "was-file/x": "in a folder\n" });
    const to = oldTarget(world, {
      "a.txt": "old a\n",
      "mine.txt": "mine\n",
      "sub/mine.txt": "mine too\n",
      "sub/deep/c.txt": "old c\n",
      "was-folder/with/files": "gone\n",
      "was-file": "gone\n",
    });
    await restore({ store: world.store, key: world.key, to, overwrite: true });
    expect(contentsOf(to)).toEqual({
      ...FILES,
      "mine.txt": "mine\n",
      "sub/": "",
      "sub/deep/": "",
      "sub/mine.txt": "mine too\n",
      "was-file/": "",
      "was-file/x": "in a folder\n",
      "was-folder": "a file now\n",
    });
    expect(fs.readdirSync(join(to, ".."))).toEqual(["target"]);
  });

  it.skipIf(windows)("never writes through a symbolic link in the target", async () => {
    const world = await newWorld();
    await world.backUp(FILES);
    const elsewhere = writeTree(join(world.folder, "elsewhere"), { "b.txt": "not ours\n" });
    const to = oldTarget(world, { "mine.txt": "mine\n" });
    fs.symlinkSync(elsewhere, join(to, "sub"));
    fs.symlinkSync(join(elsewhere, "b.txt"), join(to, "a.txt"));
    await restore({ store: world.store, key: world.key, to, overwrite: true });
    expect(contentsOf(to)).toMatchObject({ ...FILES, "sub/": "", "mine.txt": "mine\n" });
    expect(contentsOf(elsewhere)).toEqual({ "b.txt": "not ours\n" });
  });

  it.skipIf(windows)("follows the target itself where it is a link to a folder", async () => {
    const world = await newWorld();
    await world.backUp(FILES);
    const target = oldTarget(world, { "mine.txt": "mine\n" });
    const link = join(world.folder, "link");
    fs.symlinkSync(target, link);
    await restore({ store: world.store, key: world.key, to: link, overwrite: true });
    expect(fs.readlinkSync(link)).toBe(target);
    expect(contentsOf(target)).toMatchObject({ ...FILES, "mine.txt": "mine\n" });
  });

  it("replaces only what is selected", async () => {
    const world = await newWorld();
    await world.backUp(FILES);
    const to = oldTarget(world, { "mine.txt": "mine\n" });
    await restore({
      store: world.store,
      key: world.key,
      to,
      overwrite: true,
      include: ["a.txt"],
    });
    expect(contentsOf(to)).toEqual({ "a.txt": "new a\n", "mine.txt": "mine\n" });
  });
});

/** Folders within each other, each with a file, down to `depth`; names of 200 bytes. */
function chain(depth: number, content: string): Record<string, string> {
  const part = "d".repeat(200);
  return Object.fromEntries(
    Array.from({ length: depth + 1 }, (_, level) => [`${`${part}/`.repeat(level)}file`, content]),
  );
}

describe("a merge that fails halfway", () => {
  it.skipIf(!linux)("takes everything back where a path becomes too long", async () => {
    const world = await newWorld();
    const { folder, store, key, backUp } = world;
    // The prepared folder's name is shorter than the target's, so that only placing fails.
    const to = join(folder, "place", "t".repeat(250));
    const depth = Math.floor((4095 - to.length - 5) / 201);
    const deepest = `${"d".repeat(200)}/`.repeat(depth);
    const room = 4095 - to.length - 1 - deepest.length;
    await backUp({
      ...chain(depth, "new\n"),
      [`${deepest}${"n".repeat(room + 10)}`]: "too long\n",
    });
    writeTree(to, { ...chain(depth, "old\n"), mine: "mine\n" });
    const before = snapshot(to);
    const error = await refusalOf(restore({ store, key, to, overwrite: true }));
    expect(error).toMatchObject({ code: "io", message: expect.stringMatching(/^Cannot move/) });
    expect(withRoundTimes(snapshot(to))).toEqual(withRoundTimes(before));
    expect(fs.readdirSync(join(folder, "place"))).toHaveLength(1);
  });

  it.skipIf(!mounts)("takes everything back at a mount point within the target", async () => {
    const world = await newWorld();
    const names = Array.from({ length: 30 }, (_, index) => `file-${index}`);
    const all = (content: string) => Object.fromEntries(names.map((name) => [name, content]));
    await world.backUp({ ...all("new\n"), "mounted/x": "new\n", "sub/x": "new\n" });
    const target = oldTarget(world, { ...all("old\n"), "mounted/": "", "sub/x": "old\n" });
    mountSmall(join(target, "mounted"), "size=1m");
    fs.writeFileSync(join(target, "mounted", "mine"), "mine\n");
    fs.utimesSync(join(target, "mounted"), LONG_AGO, LONG_AGO);
    expect((await refusedUnchanged(world, target)).code).toBe("io");
  });

  it.skipIf(!linux)(
    "takes back what it put into folders that were restored read-only",
    async () => {
      await unprivileged(async () => {
        const world = await newWorld();
        const { folder, store, key } = world;
        const parts = Array.from({ length: 12 }, (_, index) => `a-part-${index}`);
        const depth = Math.floor((4095 - join(folder, "place", "t".repeat(250)).length - 5) / 201);
        const deepest = `${"d".repeat(200)}/`.repeat(depth);
        const tree = writeTree(join(folder, "tree"), {
          ...Object.fromEntries(parts.map((part) => [`${part}/file`, "new\n"])),
          [`${deepest}${"n".repeat(240)}`]: "too long\n",
        });
        for (const part of parts) fs.chmodSync(join(tree, part), 0o555);
        await backup({ store, key, name: "site", paths: [tree], cwd: folder });
        const to = writeTree(join(folder, "place", "t".repeat(250)), {
          ...Object.fromEntries(parts.map((part) => [`${part}/file`, "old\n"])),
          [`${deepest}mine`]: "mine\n",
        });
        for (const part of parts) fs.chmodSync(join(to, part), 0o500);
        const before = snapshot(to);
        const error = await refusalOf(restore({ store, key, to, overwrite: true }));
        expect(error.code).toBe("io");
        expect(withRoundTimes(snapshot(to))).toEqual(withRoundTimes(before));
        expect(fs.readdirSync(join(folder, "place"))).toHaveLength(1);
      });
    },
  );

  it.skipIf(!root)("takes everything back where a folder belongs to someone else", async () => {
    const names = Array.from({ length: 30 }, (_, index) => `file-${index}`);
    const all = (content: string) => Object.fromEntries(names.map((name) => [name, content]));
    await unprivileged(async () => {
      const world = await newWorld();
      await world.backUp({ ...all("new\n"), "theirs/x": "new\n", "sub/x": "new\n" });
      const target = oldTarget(world, { ...all("old\n"), "theirs/x": "old\n", "sub/x": "old\n" });
      asRoot(() => {
        fs.chmodSync(join(target, "theirs"), 0o755);
        fs.utimesSync(join(target, "theirs"), LONG_AGO, LONG_AGO);
        fs.chownSync(join(target, "theirs"), 0, 0);
      });
      const error = await refusedUnchanged(world, target);
      expect(error).toMatchObject({ code: "io", message: expect.stringContaining("theirs") });
    });
  });
});

/** Does something as root within {@link unprivileged}. */
function asRoot(doing: () => void): void {
  process.seteuid!(0);
  doing();
  process.seteuid!(65_534);
}

/** Node sets times to a quarter of a microsecond: folders that changed and were set back show it. */
function withRoundTimes(entries: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entries).map(([path, text]) => [
      path,
      text.replace(/ (\d+) /, (_, ns: string) => ` ${Math.round(Number(ns) / 1e6)} `),
    ]),
  );
}

describe("a restore that is stopped or cannot write", () => {
  it("leaves nothing wherever it is aborted, and old files as they were", async () => {
    const world = await newWorld();
    const content = Object.fromEntries(
      Array.from({ length: 6 }, (_, index) => [`file-${index}`, randomBytes(600_000)]),
    );
    await world.backUp(content);
    const absent = join(world.folder, "place", "absent");
    const old = oldTarget(world, { "file-0": "old\n" });
    const before = snapshot(old);
    let pieces = Number.POSITIVE_INFINITY;
    for (let stopAt = 1; stopAt <= pieces; stopAt++) {
      const to = stopAt % 2 === 0 ? old : absent;
      const store = new StoreBetween(world.store);
      const controller = new AbortController();
      let seen = 0;
      store.onPiece = () => {
        seen += 1;
        if (seen === stopAt) controller.abort(new RestbackupError("aborted", "Stopped by a test."));
      };
      const { signal } = controller;
      await expect(
        restore({ store, key: world.key, to, overwrite: to === old, signal }),
      ).rejects.toMatchObject({ code: "aborted" });
      expect(fs.readdirSync(join(world.folder, "place"))).toEqual(["target"]);
      expect(snapshot(old)).toEqual(before);
      if (stopAt === 1) pieces = await countPieces(world);
    }
    expect(pieces).toBeGreaterThan(5);
  });

  it.skipIf(!mounts)("says that the disk is full, and leaves nothing", async () => {
    const world = await newWorld();
    const { folder, store, key } = world;
    // Too many for the blocks they take, though not by their bytes.
    const content = Object.fromEntries(
      Array.from({ length: 600 }, (_, index) => [`file-${index}`, "x"]),
    );
    await world.backUp(content, "blocks");
    await world.backUp({ "big.txt": "0".repeat(4 * 2 ** 20) }, "bytes");
    const disk = join(folder, "disk");
    mountSmall(disk, "size=1m");
    const full = await refusalOf(restore({ store, key, name: "blocks", to: join(disk, "new") }));
    expect(full).toMatchObject({ code: "io", message: expect.stringMatching(/no space left/i) });
    expect(fs.readdirSync(disk)).toEqual([]);
    const early = await refusalOf(restore({ store, key, name: "bytes", to: join(disk, "new") }));
    expect(early).toMatchObject({ code: "io", message: expect.stringContaining("4194304 bytes") });
    expect(fs.readdirSync(disk)).toEqual([]);
  });

  it.skipIf(windows)("says in words that it may not write where the target is to be", async () => {
    await unprivileged(async () => {
      const { folder, store, key, backUp } = await newWorld();
      await backUp(FILES);
      const locked = join(folder, "locked");
      fs.mkdirSync(locked);
      fs.chmodSync(locked, 0o555);
      const error = await refusalOf(restore({ store, key, to: join(locked, "new") }));
      expect(error).toMatchObject({
        code: "io",
        message: expect.stringMatching(/^Cannot restore to .*permission denied/),
      });
      expect(fs.readdirSync(locked)).toEqual([]);
    });
  });

  it.skipIf(windows)(
    "fills an existing folder whose parent may not be written, leaving nothing else in it",
    async () => {
      await unprivileged(async () => {
        const { folder, store, key } = await newWorld();
        const tree = writeTree(join(folder, "tree"), FILES);
        fs.utimesSync(tree, LONG_AGO, LONG_AGO);
        await backup({ store, key, name: "site", paths: [tree], cwd: folder });
        const to = join(folder, "locked", "target");
        fs.mkdirSync(to, { recursive: true });
        fs.chmodSync(join(folder, "locked"), 0o555);
        await restore({ store, key, to });
        expect(fs.readdirSync(to).sort()).toEqual(["a.txt", "sub"]);
        expect(contentsOf(to)).toMatchObject(FILES);
        expect(fs.statSync(to).mtime).toEqual(LONG_AGO);
      });
    },
  );
});

async function countPieces(world: World): Promise<number> {
  const store = new StoreBetween(world.store);
  let pieces = 0;
  store.onPiece = () => void pieces++;
  const to = join(world.folder, "counted");
  await restore({ store, key: world.key, to });
  return pieces;
}
