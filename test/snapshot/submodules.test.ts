import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SnapshotWorld, write } from "./world.ts";

let world: SnapshotWorld;
const pin = (digit: string) => digit.repeat(40);

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

function createWithSubmodules(name: string, gitmodules: string, paths: Record<string, string>) {
  const work = world.createRepository(name);
  write(work, ".gitmodules", gitmodules);
  world.git(work, "add", ".gitmodules");
  for (const [at, commit] of Object.entries(paths)) {
    world.git(work, "update-index", "--add", "--cacheinfo", `160000,${commit},${at}`);
  }
  world.git(work, "commit", "-q", "-m", "Pin submodules");
  world.git(work, "push", "-q", world.bare(name), "trunk");
}

const written = (folder: string) =>
  JSON.parse(fs.readFileSync(path.join(folder, "submodules.json"), "utf8"));

test("submodules are told with path, url, branch and the commit that the default branch pins", async () => {
  createWithSubmodules(
    "octo/parent",
    `[submodule "lib.x"]\n\tpath = vendor/a b\n\turl = ../lib.git\n\tbranch = stable\n` +
      `[submodule "theme"]\n\tpath = theme\n\turl = https://example.com/theme.git\n`,
    { "vendor/a b": pin("a"), theme: pin("b"), forgotten: pin("c") },
  );
  const { folder } = await world.gather("octo/parent");
  expect(written(folder)).toEqual([
    { path: "forgotten", name: null, url: null, commit: pin("c") },
    { path: "theme", name: "theme", url: "https://example.com/theme.git", commit: pin("b") },
    {
      path: "vendor/a b",
      name: "lib.x",
      url: "../lib.git",
      branch: "stable",
      commit: pin("a"),
    },
  ]);
  expect(fs.readFileSync(path.join(folder, "README.md"), "utf8")).toContain("## Submodules");
});

test("a .gitmodules that cannot be parsed costs the urls, not the pins", async () => {
  createWithSubmodules("octo/broken", "[submodule\n", { theme: pin("d") });
  const { folder } = await world.gather("octo/broken");
  expect(written(folder)).toEqual([{ path: "theme", name: null, url: null, commit: pin("d") }]);
});

test("without submodules there is no list of them", async () => {
  world.createRepository("octo/alone");
  const { folder, submodules } = await world.gather("octo/alone");
  expect(submodules).toEqual([]);
  expect(fs.existsSync(path.join(folder, "submodules.json"))).toBe(false);
});
