import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { differences, treeOf } from "../support/trees.ts";
import { apply, newTree, scratch } from "./gnu-tar-apply.ts";
import { live } from "./gnu-tar-history.ts";

const tar = requireProgram("tar", "many chains of GNU tar's incremental archives come back");

describe.skipIf(!tar)("forty folders, each changing at random over ten increments", () => {
  it("are at every level what GNU tar makes of them, wherever it makes something", {
    timeout: 900_000,
  }, async () => {
    let compared = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const folder = scratch();
      const from = seed % 2 === 0 ? "above" : "within";
      const format = seed % 4 < 2 ? "gnu" : "posix";
      const upheavals = seed % 3;
      const chain = await live(folder, { seed, format, increments: 10, from, upheavals });
      const { tree, root } = newTree(folder);
      for (const [level, archive] of chain.archives.entries()) {
        await apply(tree, archive);
        const byTar = chain.restored[level];
        if (byTar === undefined) continue;
        const ours = treeOf(from === "within" ? root : join(root, "tree"));
        const found = differences(byTar, ours, { tolerance: 1000n });
        expect(found, `seed ${seed}, level ${level}`).toEqual([]);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(150);
  });
});
