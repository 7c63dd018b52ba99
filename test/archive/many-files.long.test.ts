import fs from "node:fs";
import { expect, test } from "vitest";
import { differences, treeOf } from "../support/trees.ts";
import { makeWorld } from "./world.ts";

test("100,000 files come back", { timeout: 600_000 }, async () => {
  const world = await makeWorld();
  try {
    for (let folder = 0; folder < 200; folder++) {
      fs.mkdirSync(world.at("tree", `folder ${folder}`), { recursive: true });
      for (let file = 0; file < 500; file++) {
        const name = `file with a name of some length ${file}`;
        fs.writeFileSync(world.at("tree", `folder ${folder}`, name), `${folder}/${file}`);
      }
    }
    const before = treeOf(world.at("tree"));
    const { totals } = await world.backup({});
    expect(totals).toMatchObject({ files: 100_000, directories: 201 });
    await world.verify();
    await world.restore({});
    const after = treeOf(world.at("restored"));
    expect(differences(before, after, { tolerance: 1000n })).toEqual([]);
    await world.restore({ include: ["folder 77/file*7"], to: world.at("part") });
    expect(fs.readdirSync(world.at("part", "folder 77")).length).toBe(50);
  } finally {
    world.remove();
  }
});
