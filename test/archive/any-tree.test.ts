import fs from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { below, differences, treeOf } from "../support/trees.ts";
import { makeWorld } from "./world.ts";

const stockTools =
  requireProgram("age", "any tree is restorable without us") &&
  requireProgram("zstd", "any tree is restorable without us");

/** Names that sort apart by bytes, by UTF-16 code units and as whole paths; some are not UTF-8. */
const name = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom("a", "b", "a-", "a.", "a0", "A", " ", "-", "~") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("\u{1f980}", "\ufb01", "\uffff", "\ufffd", "é", "e\u0301"),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))))
      .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1"))),
  },
);

const item = fc.record({
  /** Which of the folders made so far it lies in, and which of the files so far it links to. */
  folder: fc.nat(1000),
  target: fc.nat(1000),
  name,
  kind: fc.constantFrom("folder", "folder", "file", "file", "link", "symlink"),
  size: fc.oneof(fc.nat(600), fc.constantFrom(0, 512, 1024, 70_000)),
  mode: fc.integer({ min: 0, max: 0o777 }),
  // Other times make tar remark, in words that hold names.
  time: fc.integer({ min: 10 ** 9, max: 1.7 * 10 ** 9 }),
});

type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

/** Makes what of the items can be made; says how many that were. */
function makeTree(root: string, items: readonly Item[]): number {
  const folders: Buffer[] = [Buffer.from(root)];
  const files: Buffer[] = [];
  const made: { path: Buffer; item: Item }[] = [];
  fs.mkdirSync(root);
  for (const item of items) {
    const path = below(folders[item.folder % folders.length]!, item.name);
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    if (item.kind === "folder") {
      fs.mkdirSync(path);
      folders.push(path);
    } else if (item.kind === "symlink") {
      fs.symlinkSync(item.name, path);
    } else if (item.kind === "link" && files.length > 0) {
      fs.linkSync(files[item.target % files.length]!, path);
    } else {
      fs.writeFileSync(path, "x".repeat(item.size));
      files.push(path);
    }
    made.push({ path, item });
  }
  // Innermost first, as making something in a folder changes the folder's time.
  for (const { path, item } of made.reverse()) {
    if (item.kind === "symlink") continue;
    // Only root can read what it may not.
    fs.chmodSync(path, item.mode | (process.geteuid?.() === 0 ? 0 : 0o700));
    const time = String(item.time + 0.5);
    fs.utimesSync(path, time, time);
  }
  return made.length;
}

test.skipIf(process.platform !== "linux")(
  "any tree comes back, by us and by stock tools alike",
  async () => {
    const world = await makeWorld();
    let round = 0;
    let largest = 0;
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(item, { maxLength: 60, size: "max" }), async (items) => {
          const [tree, restored, stock] = ["tree", "restored", "stock"].map((what) =>
            world.at(`${what}-${round}`),
          ) as [string, string, string];
          round += 1;
          largest = Math.max(largest, makeTree(tree, items));
          const before = treeOf(tree);
          const { entry, warnings } = await world.backup({ paths: [tree] });
          expect(warnings).toEqual([]);
          await world.restore({ entry, to: restored });
          expect(differences(before, treeOf(restored), { tolerance: 1000n })).toEqual([]);
          if (!stockTools) return;
          await world.restoreWithStockTools(stock);
          expect(differences(before, treeOf(stock), { holes: false })).toEqual([]);
        }),
        {
          numRuns: 6,
          endOnFailure: true,
          examples: [[fc.sample(fc.array(item, { minLength: 60, maxLength: 60 }), 1)[0]!]],
        },
      );
      expect(largest).toBeGreaterThan(20);
    } finally {
      world.remove();
    }
  },
);
