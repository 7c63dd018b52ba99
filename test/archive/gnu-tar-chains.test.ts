import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { differences, treeOf } from "../support/trees.ts";
import { apply, newTree, scratch } from "./gnu-tar-apply.ts";
import { archiveIncrement, type Format, type History, live } from "./gnu-tar-history.ts";

const tar = requireProgram("tar", "chains of GNU tar's incremental archives come back");

/** The system takes times as doubles. */
const TOLERANCE = 1000n;

/** Applies all of a history's archives; says at how many levels GNU tar had an answer to compare. */
async function compare(history: History): Promise<number> {
  const folder = scratch();
  const chain = await live(folder, history);
  const { tree, root } = newTree(folder);
  const ours = history.from === "within" ? root : join(root, "tree");
  let compared = 0;
  for (const [level, archive] of chain.archives.entries()) {
    await apply(tree, archive);
    const byTar = chain.restored[level];
    if (byTar === undefined) continue;
    expect(differences(byTar, treeOf(ours), { tolerance: TOLERANCE })).toEqual([]);
    compared += 1;
  }
  return compared;
}

describe.skipIf(!tar)("a chain of ten increments of a folder that changes at random", () => {
  it.each([
    { format: "gnu", from: "within", seeds: [2, 3, 9] },
    { format: "posix", from: "above", seeds: [2, 6, 12] },
  ] as const)(
    "is at every level what GNU tar makes of it ($format, from $from)",
    async ({ format, from, seeds }) => {
      let compared = 0;
      for (const seed of seeds) {
        compared += await compare({ seed, format, increments: 10, from, upheavals: 1 });
      }
      // GNU tar gives up on some histories, and which depends on how the disk numbers its files.
      expect(compared).toBeGreaterThan(11);
    },
  );
});

describe.skipIf(!tar)("renames in which one thing is in the way of another", () => {
  const formats: readonly Format[] = ["gnu", "posix"];

  /** Two archives with changes between them; returns the tree as it was, and as restored. */
  async function afterwards(
    format: Format,
    before: (tree: string) => void,
    change: (tree: string) => void,
  ): Promise<{ found: string[]; warnings: string[] }> {
    const folder = scratch();
    const source = join(folder, "tree");
    fs.mkdirSync(source);
    before(source);
    execFileSync("sleep", ["0.03"]);
    archiveIncrement(folder, join(folder, "full.tar"), format);
    execFileSync("sleep", ["0.03"]);
    change(source);
    execFileSync("sleep", ["0.03"]);
    archiveIncrement(folder, join(folder, "inc1.tar"), format);
    const { tree, root, warnings } = newTree(folder);
    await apply(tree, join(folder, "full.tar"));
    await apply(tree, join(folder, "inc1.tar"));
    // GNU format has whole seconds.
    return { found: differences(treeOf(source), treeOf(root), { tolerance: 10n ** 9n }), warnings };
  }

  const folders = (tree: string, ...paths: string[]) => {
    for (const path of paths) {
      fs.mkdirSync(join(tree, path), { recursive: true });
      fs.writeFileSync(join(tree, path, "file"), `of ${path}`);
    }
  };

  it.each(formats)("a folder takes the place of one that was deleted (%s)", async (format) => {
    const result = await afterwards(
      format,
      (tree) => folders(tree, "a", "b"),
      (tree) => {
        fs.rmSync(join(tree, "b"), { recursive: true });
        fs.renameSync(join(tree, "a"), join(tree, "b"));
      },
    );
    expect(result).toEqual({ found: [], warnings: [] });
  });

  it.each(formats)("a folder moves into a new one of its own name (%s)", async (format) => {
    const result = await afterwards(
      format,
      (tree) => folders(tree, "a"),
      (tree) => {
        fs.renameSync(join(tree, "a"), join(tree, "aside"));
        fs.mkdirSync(join(tree, "a"));
        fs.renameSync(join(tree, "aside"), join(tree, "a", "old"));
      },
    );
    expect(result).toEqual({ found: [], warnings: [] });
  });

  it.each(formats)("a folder moves to where a file was, below (%s)", async (format) => {
    const result = await afterwards(
      format,
      (tree) => {
        folders(tree, "a");
        fs.writeFileSync(join(tree, "b"), "a file");
      },
      (tree) => {
        fs.unlinkSync(join(tree, "b"));
        fs.mkdirSync(join(tree, "b"));
        fs.renameSync(join(tree, "a"), join(tree, "b", "c"));
      },
    );
    expect(result).toEqual({ found: [], warnings: [] });
  });

  it.each(formats)("two folders swap names (%s)", async (format) => {
    const result = await afterwards(
      format,
      (tree) => folders(tree, "a", "b"),
      (tree) => {
        fs.renameSync(join(tree, "a"), join(tree, "aside"));
        fs.renameSync(join(tree, "b"), join(tree, "a"));
        fs.renameSync(join(tree, "aside"), join(tree, "b"));
      },
    );
    expect(result).toEqual({ found: [], warnings: [] });
  });
});
