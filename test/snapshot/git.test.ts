import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contentsOf, SnapshotWorld } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

const refsOf = (folder: string) =>
  world.git(folder, "for-each-ref", "--format=%(objectname) %(refname)");

describe("a repository with branches, tags, notes and pull requests", () => {
  let work: string;

  beforeAll(() => {
    work = world.createRepository("octo/website");
  });

  test("comes back from its bundle with every ref, and nothing amiss", async () => {
    const { folder, refs, incomplete, wiki } = await world.gather("octo/website");
    const back = world.folder();
    world.git(back, "clone", "-q", "--mirror", path.join(folder, "repository.bundle"), "back.git");
    const mirror = path.join(back, "back.git");
    expect(refsOf(mirror)).toBe(refsOf(world.bare("octo/website")));
    for (const ref of ["refs/notes/commits", "refs/pull/2/head", "refs/tags/blob"]) {
      expect(refsOf(mirror)).toContain(` ${ref}\n`);
    }
    expect(world.git(mirror, "fsck", "--strict")).toBe("");
    expect(refs.head).toBe("refs/heads/trunk");
    expect(refs.commit).toBe(world.git(work, "rev-parse", "trunk").trim());
    const written = JSON.parse(fs.readFileSync(path.join(folder, "refs.json"), "utf8"));
    const listed = Object.entries(written.repository.refs).map(([name, id]) => `${id} ${name}\n`);
    expect(listed.join("")).toBe(refsOf(mirror));
    expect([incomplete, wiki]).toEqual([[], undefined]);
    expect([...contentsOf(folder).keys()]).toEqual([
      "README.md",
      "refs.json",
      "repository.bundle",
      "snapshot.json",
    ]);
  });

  test("gives the same bytes again, also when the server packs it otherwise in between", async () => {
    const first = await world.gather("octo/website");
    const before = contentsOf(first.folder);
    expect(contentsOf((await world.gather("octo/website")).folder)).toEqual(before);
    const bare = world.bare("octo/website");
    for (const window of ["0", "100"]) {
      world.git(bare, "repack", "-a", "-d", "-F", `--window=${window}`, "--depth=3", "-q");
      expect(contentsOf((await world.gather("octo/website")).folder)).toEqual(before);
    }
  });

  test("leaves no clone behind", async () => {
    const { scratch } = await world.gather("octo/website");
    expect(fs.existsSync(scratch)).toBe(false);
  });
});
