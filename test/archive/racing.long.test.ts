import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { differences, treeOf } from "../support/trees.ts";
import { makeWorld, type World } from "./world.ts";

const stockTools =
  requireProgram("age", "archives of changing trees are restorable without us") &&
  requireProgram("zstd", "archives of changing trees are restorable without us");

/** Changes a tree as fast as it can: every kind of entry becomes every other, or vanishes. */
const CHANGER = `
const fs = require("node:fs");
const [root] = process.argv.slice(1);
const pick = (n) => Math.floor(Math.random() * n);
const name = () => root + "/f" + pick(8) + "/" + (pick(3) === 0 ? "g" + pick(4) + "/" : "") + "n" + pick(12);
const deeds = [
  (path) => fs.writeFileSync(path, "x".repeat(pick(10) === 0 ? pick(5e6) : pick(5000))),
  (path) => fs.writeFileSync(path, "y".repeat(pick(5000))),
  (path) => fs.appendFileSync(path, "more".repeat(pick(100000))),
  (path) => fs.truncateSync(path, pick(3000)),
  (path) => fs.rmSync(path, { recursive: true }),
  (path) => fs.mkdirSync(path, { recursive: true }),
  (path) => fs.mkdirSync(path + "/..", { recursive: true }),
  (path) => fs.symlinkSync(name(), path),
  (path) => fs.linkSync(name(), path),
  (path) => fs.renameSync(name(), path),
  (path) => { const folder = path.slice(0, path.lastIndexOf("/")); fs.renameSync(folder, name()); },
  (path) => { const folder = path.slice(0, path.lastIndexOf("/")); fs.rmSync(folder, { recursive: true }); fs.writeFileSync(folder, "was a folder"); },
  (path) => { const folder = path.slice(0, path.lastIndexOf("/")); fs.renameSync(folder, folder + "-away"); fs.symlinkSync("f0", folder); },
  (path) => { const folder = path.slice(0, path.lastIndexOf("/")); fs.rmSync(folder, { recursive: true }); fs.mkdirSync(folder); },
  (path) => fs.utimesSync(path, pick(2e9), pick(2e9) + 0.5),
  (path) => fs.chmodSync(path, 0o600 + pick(0o177)),
];
for (;;) try { deeds[pick(deeds.length)](name()); } catch {}
`;

let world: World;
let changers: ChildProcess[] = [];
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(async () => {
  await stopAll();
  world.remove();
});

function start(root: string): void {
  changers.push(spawn(process.execPath, ["-e", CHANGER, root], { stdio: "ignore" }));
}

async function stopAll(): Promise<void> {
  const ended = changers.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of changers) child.kill("SIGKILL");
  await Promise.all(ended);
  changers = [];
}

describe.skipIf(process.platform !== "linux")("a tree that never rests", () => {
  test("gives archives that verify, restore, and are the same tree to stock tools", async () => {
    const tree = world.at("tree");
    for (let f = 0; f < 8; f++) fs.mkdirSync(`${tree}/f${f}/g0`, { recursive: true });
    start(tree);
    start(tree);
    let warned = 0;
    const rounds = 60;
    for (let round = 0; round < rounds; round++) {
      const { entry, warnings, totals } = await world.backup({ name: `round-${round}` });
      warned += warnings.length;
      const restored = world.at("restored");
      const result = await world.restore({ name: `round-${round}`, to: restored });
      expect({ entry: result.archive.entry, totals: result.totals }).toEqual({ entry, totals });
      if (stockTools) {
        const stock = world.at("stock");
        await world.restoreWithStockTools(stock);
        const options = { tolerance: 1000n, holes: false };
        expect(differences(treeOf(stock), treeOf(restored), options)).toEqual([]);
        fs.rmSync(stock, { recursive: true });
      }
      fs.rmSync(restored, { recursive: true });
      for (const name of fs.readdirSync(world.at("store"))) {
        if (name.startsWith("round-")) fs.rmSync(world.at("store", name));
      }
    }
    // Otherwise nothing raced, and the rounds showed nothing.
    expect(warned).toBeGreaterThan(rounds / 4);
  });
});
