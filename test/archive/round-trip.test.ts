import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { below, differences, makeEverything, treeOf } from "../support/trees.ts";
import { makeWorld, type World } from "./world.ts";

const stockTools =
  requireProgram("age", "archives are restorable without us") &&
  requireProgram("zstd", "archives are restorable without us");
/** `node:fs` takes times as doubles. */
const MICROSECOND = 1000n;

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.remove());

describe.skipIf(process.platform !== "linux")("everything a tree can hold", () => {
  test("comes back, by us and by stock tools alike", async () => {
    makeEverything(world.at("tree"));
    const before = treeOf(world.at("tree"));
    const { warnings, totals } = await world.backup({});
    expect(warnings).toEqual([]);
    expect(treeOf(world.at("tree"))).toEqual(before);

    await world.verify();
    const result = await world.restore({});
    expect(result.warnings).toEqual([]);
    expect(result.totals).toEqual(totals);
    const options = { tolerance: MICROSECOND };
    expect(differences(before, treeOf(world.at("restored")), options)).toEqual([]);

    if (!stockTools) return;
    await world.restoreWithStockTools(world.at("stock"));
    expect(differences(before, treeOf(world.at("stock")), { holes: false })).toEqual([]);
  });

  test("a restored tree gives the same backup again", async () => {
    fs.mkdirSync(world.at("tree"));
    fs.writeFileSync(world.at("tree", "file"), "content");
    fs.linkSync(world.at("tree", "file"), world.at("tree", "link"));
    await world.backup({});
    await world.restore({});
    expect(
      differences(treeOf(world.at("tree")), treeOf(world.at("restored")), {
        tolerance: MICROSECOND,
      }),
    ).toEqual([]);
  });

  test("sockets and FIFOs are left out, and said to be", async () => {
    fs.mkdirSync(world.at("tree"));
    fs.writeFileSync(world.at("tree", "file"), "content");
    execFileSync("mkfifo", [world.at("tree", "pipe")]);
    const { warnings } = await world.backup({});
    expect(warnings).toEqual([
      { path: "pipe", problem: "left out: neither file, folder nor symbolic link" },
    ]);
    await world.restore({});
    expect(fs.readdirSync(world.at("restored"))).toEqual(["file"]);
  });

  test("paths near the system's limit come back, or are refused with their name", async () => {
    // Below the limit for the tree, beyond it for a folder with a longer name.
    const tree = world.at("tree");
    fs.mkdirSync(tree);
    const part = "p".repeat(200);
    let deep = tree;
    while (deep.length + 1 + part.length < 4040) {
      deep += `/${part}`;
    }
    deep += `/${"q".repeat(4050 - deep.length)}`;
    fs.mkdirSync(deep, { recursive: true });
    fs.writeFileSync(`${deep}/f`, "bottom");
    await world.backup({});
    await world.restore({ to: world.at("r") });
    expect(fs.readFileSync(`${world.at("r")}${deep.slice(tree.length)}/f`, "utf8")).toBe("bottom");

    const longer = world.at("l".repeat(150), "m");
    await expect(world.restore({ to: longer })).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("ppp"),
    });
    expect(fs.readdirSync(world.folder).sort()).toEqual(["key.txt", "r", "store", "tree"]);
  });

  test("a path too long to be read makes the backup fail and name it", async () => {
    const part = "p".repeat(200);
    fs.mkdirSync(world.at("tree"));
    // Made in steps: no single path may be that long.
    execFileSync("bash", [
      "-c",
      'cd "$1"; for i in $(seq 25); do mkdir "$2" && cd -P "./$2" || exit 1; done; : > f',
      "bash",
      world.at("tree"),
      part,
    ]);
    await expect(world.backup({})).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("too long"),
      hint: expect.stringContaining("exclude"),
    });
    // Without cp or rm of ours: Node cannot remove it either.
    execFileSync("rm", ["-rf", world.at("tree")]);
  });
});

const FRAME = 2 * 2 ** 20;
const SIZES = [
  1,
  511,
  512,
  513,
  1024,
  FRAME - 1537,
  FRAME - 512,
  FRAME,
  FRAME + 1,
  2 * FRAME + 777,
];

test.each(SIZES)("a file of %i bytes, random or not, comes back", async (size) => {
  fs.mkdirSync(world.at("tree"));
  fs.writeFileSync(world.at("tree", "a random"), randomBytes(size));
  fs.writeFileSync(world.at("tree", "b plain"), Buffer.alloc(size, "plain text\n"));
  fs.writeFileSync(world.at("tree", "c after"), "after");
  const before = treeOf(world.at("tree"));
  await world.backup({});
  await world.verify();
  await world.restore({});
  expect(differences(before, treeOf(world.at("restored")), { tolerance: MICROSECOND })).toEqual([]);
  if (stockTools && process.platform === "linux") {
    await world.restoreWithStockTools(world.at("stock"));
    expect(differences(before, treeOf(world.at("stock")))).toEqual([]);
  }
});

test("an empty folder is a backup too", async () => {
  fs.mkdirSync(world.at("tree"));
  const { totals } = await world.backup({});
  expect(totals).toEqual({ files: 0, directories: 1, links: 0, bytes: 0 });
  await world.verify();
  await world.restore({});
  expect(fs.readdirSync(world.at("restored"))).toEqual([]);
});

test("a tree in many volumes comes back", async () => {
  fs.mkdirSync(world.at("tree"));
  fs.writeFileSync(world.at("tree", "random"), randomBytes(3 * 2 ** 20 + 11));
  const { objects } = await world.backup({ volumeSize: 2 ** 20 });
  expect(objects.length).toBe(4);
  await world.restore({});
  expect(fs.readFileSync(below(world.at("restored"), "random"))).toEqual(
    fs.readFileSync(below(world.at("tree"), "random")),
  );
});
