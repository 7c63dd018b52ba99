import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SnapshotWorld } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

test("a wiki has a bundle of its own, and its refs are told", async () => {
  world.createRepository("octo/documented");
  world.createRepository("octo/documented.wiki");
  const { folder, wiki, incomplete } = await world.gather("octo/documented");
  expect(incomplete).toEqual([]);
  const back = world.folder();
  world.git(back, "clone", "-q", "--mirror", path.join(folder, "wiki.bundle"), "wiki.git");
  const refs = world.git(path.join(back, "wiki.git"), "show-ref");
  expect(refs).toBe(world.git(world.bare("octo/documented.wiki"), "show-ref"));
  const written = JSON.parse(fs.readFileSync(path.join(folder, "refs.json"), "utf8"));
  expect(written.wiki).toEqual(wiki);
  expect(Object.keys(wiki!.refs)).toHaveLength(refs.trim().split("\n").length);
});

test("no wiki, and one without pages, is nothing missing", async () => {
  world.createRepository("octo/plain");
  expect(await world.gather("octo/plain")).toMatchObject({ wiki: undefined, incomplete: [] });
  world.createBare("octo/plain.wiki");
  const { folder, ...gathered } = await world.gather("octo/plain");
  expect(gathered).toMatchObject({ wiki: undefined, incomplete: [] });
  expect(fs.existsSync(path.join(folder, "wiki.bundle"))).toBe(false);
});

test("a wiki that the token may not read is told apart from none", async () => {
  world.createRepository("octo/closed");
  world.createRepository("octo/closed.wiki");
  world.server.forbidden.add("octo/closed.wiki");
  const { folder, wiki, incomplete } = await world.gather("octo/closed");
  expect(wiki).toBeUndefined();
  expect(incomplete).toEqual([
    { part: "wiki", reason: "The server refuses to show the wiki to this token." },
  ]);
  const written = JSON.parse(fs.readFileSync(path.join(folder, "snapshot.json"), "utf8"));
  expect(written.incomplete).toEqual(incomplete);
});

test("a wiki that was not asked for is not looked at", async () => {
  world.createRepository("octo/two");
  world.createRepository("octo/two.wiki");
  const { folder } = await world.gather("octo/two", { wiki: false });
  expect(fs.existsSync(path.join(folder, "wiki.bundle"))).toBe(false);
  expect(world.server.requests.some((one) => one.path.startsWith("/octo/two.wiki"))).toBe(false);
});
