import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.remove());

/** Owners that are given by number need nobody to have them. */
const OTHER = 4321;
const root = process.geteuid?.() === 0;

describe.skipIf(!root)("a program that runs as its owner or group, restored by root", () => {
  const FILES = [
    // name, owner, group, mode, mode after a restore to root's own files
    ["own", 0, 0, 0o6755, 0o6755],
    ["others group, setgid", 0, OTHER, 0o2755, 0o755],
    ["others group, both", 0, OTHER, 0o6755, 0o4755],
    ["others group, setuid", 0, OTHER, 0o4755, 0o4755],
    ["others owner, both", OTHER, 0, 0o6755, 0o755],
    ["others", OTHER, OTHER, 0o6711, 0o711],
    ["others, sticky", OTHER, OTHER, 0o7711, 0o1711],
    ["others, plain", OTHER, OTHER, 0o640, 0o640],
  ] as const;

  beforeEach(async () => {
    fs.mkdirSync(world.at("tree"));
    for (const [name, owner, group, mode] of FILES) {
      fs.writeFileSync(world.at("tree", name), name);
      fs.chownSync(world.at("tree", name), owner, group);
      fs.chmodSync(world.at("tree", name), mode);
    }
    await world.backup({});
  });

  test("never comes to run as someone else than it did", async () => {
    const { warnings } = await world.restore({});
    for (const [name, , , before, after] of FILES) {
      const { mode, uid, gid } = fs.statSync(world.at("restored", name));
      expect([name, (mode & 0o7777).toString(8), uid, gid]).toEqual([
        name,
        after.toString(8),
        0,
        0,
      ]);
      const told = warnings.some((warning) => warning.startsWith(`${name}: set-user-id`));
      expect([name, told]).toEqual([name, before !== after]);
    }
  });

  test("comes back as it was where owners do", async () => {
    expect(await world.restore({ sameOwner: true })).toMatchObject({ warnings: [] });
    for (const [name, owner, group, before] of FILES) {
      const { mode, uid, gid } = fs.statSync(world.at("restored", name));
      expect([name, mode & 0o7777, uid, gid]).toEqual([name, before, owner, group]);
    }
  });
});
