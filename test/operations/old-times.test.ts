import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { backup } from "../../src/operations/backup.ts";
import { restore } from "../../src/operations/restore.ts";
import { newWorld, writeTree } from "./world.ts";

/** Before 1970, before 1901 (32 bits), and after 2242 (what a plain tar header holds). */
const TIMES = ["-1.25", "-3000000000.125", "8600000000.75"];

function touch(path: string, seconds: string): void {
  execFileSync("touch", ["-h", "-d", `@${seconds}`, "--", path]);
}

function timeOf(path: string): bigint {
  return fs.lstatSync(path, { bigint: true }).mtimeNs;
}

describe.skipIf(process.platform === "win32")("a folder's time long ago or far ahead", () => {
  it.each(TIMES)("comes back into a new, an empty and a full folder: %s", async (seconds) => {
    const { folder, store, key } = await newWorld();
    const tree = writeTree(join(folder, "tree"), { "sub/file": "new\n" });
    for (const path of ["sub/file", "sub", ""]) touch(join(tree, path), seconds);
    const expected = ["sub/file", "sub", ""].map((path) => timeOf(join(tree, path)));
    await backup({ store, key, name: "site", paths: [tree], cwd: folder });
    const full = writeTree(join(folder, "full"), { "sub/file": "old\n", "sub/mine": "" });
    const empty = writeTree(join(folder, "empty"), {});
    for (const to of [full, empty, join(folder, "new")]) {
      await restore({ store, key, to, overwrite: true });
      expect(["sub/file", "sub", ""].map((path) => timeOf(join(to, path)))).toEqual(expected);
    }
  });

  it.each(TIMES)(
    "stays on the target when a part is restored into it, or refused: %s",
    async (seconds) => {
      const { folder, store, key, backUp } = await newWorld();
      await backUp({ "a.txt": "a\n", "sub/b.txt": "b\n" });
      const to = writeTree(join(folder, "full"), { "sub/mine": "" });
      touch(join(to, "sub"), seconds);
      touch(to, seconds);
      const before = timeOf(to);
      await expect(
        restore({ store, key, to, overwrite: true, include: ["none"] }),
      ).rejects.toThrow();
      expect(timeOf(to)).toBe(before);
      await restore({ store, key, to, overwrite: true, include: ["sub"] });
      expect(fs.readdirSync(join(to, "sub")).sort()).toEqual(["b.txt", "mine"]);
    },
  );
});
