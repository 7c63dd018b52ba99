import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { World } from "./world.ts";

const world = new World();
const at = (...parts: string[]) => join(world.tree, ...parts);
let older: string;
let newer: string;

beforeAll(async () => {
  // Names in an order that sorting whole paths would get wrong.
  mkdirSync(at("a"));
  writeFileSync(at("a", "gone"), "gone");
  writeFileSync(at("a-b"), "stays");
  writeFileSync(at("a.b"), "one");
  writeFileSync(at("mode"), "same");
  writeFileSync(at("becomes"), "a file");
  ({ entry: older } = await world.json(["backup", "website"]));
  cpSync(world.tree, join(world.work, "then"), {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
  });

  rmSync(at("a", "gone"));
  writeFileSync(at("a", "new"), "new");
  writeFileSync(at("a.b"), "two");
  chmodSync(at("mode"), 0o700);
  rmSync(at("becomes"));
  mkdirSync(at("becomes"));
  rmSync(at("link"));
  symlinkSync("docs", at("link"));
  utimesSync(at("a-b"), 1, 1);
  ({ entry: newer } = await world.json(["backup", "website"]));
});
afterAll(() => world.remove());

const CHANGES = [
  "D  a/gone",
  "A  a/new",
  "M  a.b  (content, time)",
  "M  becomes  (type)",
  "M  link  (target, time)",
  "M  mode  (mode)",
];

describe("diff", () => {
  test("names what was added, is gone, and changed, and how", async () => {
    const { code, stdout, stderr } = await world.run(["diff", older, newer]);
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toEqual(CHANGES);
    expect(stderr).toContain("6 differences: 1 added, 1 removed, 4 changed.");
  });

  test("compares with the backup before when only one is named", async () => {
    expect((await world.run(["diff", newer])).stdout.trim().split("\n")).toEqual(CHANGES);
    const first = await world.run(["diff", older]);
    expect([first.code, first.stdout]).toEqual([3, ""]);
    expect(first.stderr).toContain("There is no backup of website before this one.");
  });

  test("turns around when the two are", async () => {
    const { stdout } = await world.run(["diff", newer, older]);
    expect(stdout).toContain("A  a/gone\n");
    expect(stdout).toContain("D  a/new\n");
  });

  test("compares with a folder as it is now, files by content where size or time differ", async () => {
    expect((await world.run(["diff", older, "website"])).stdout.trim().split("\n")).toEqual(
      CHANGES,
    );
    expect((await world.run(["diff", newer, "website"])).stdout).toBe("");
    // Same size, and the time put back: only reading shows it.
    writeFileSync(at("a-b"), "stayz");
    utimesSync(at("a-b"), 1, 1);
    expect((await world.run(["diff", newer, "website"])).stdout).toBe("");
    const { stdout } = await world.run(["diff", newer, "website", "--checksum"]);
    expect(stdout).toBe("M  a-b  (content)\n");
    writeFileSync(at("a-b"), "stays");
    utimesSync(at("a-b"), 1, 1);
  });

  test("a folder's further names of one file are no difference", async () => {
    rmSync(at("same.html"));
    linkSync(at("index.html"), at("same.html"));
    expect((await world.run(["diff", newer, "website"])).stdout).toBe("");
  });

  test("names what only a clock sees when asked to", async () => {
    const { stdout } = await world.run(["diff", older, newer, "--times"]);
    expect(stdout).toContain("M  a-b  (time)\n");
  });

  test("gives the same as JSON", async () => {
    const document = (await world.json(["diff", older, newer])) as unknown as {
      from: { entry: string };
      to: { entry: string };
      differences: { path: string; change: string; aspects: string[] }[];
    };
    expect([document.from.entry, document.to.entry]).toEqual([older, newer]);
    expect(document.differences).toHaveLength(CHANGES.length);
    expect(document.differences[0]).toEqual({ path: "a/gone", change: "removed", aspects: [] });
    expect(document.differences[3]).toEqual({
      path: "becomes",
      change: "changed",
      aspects: ["type"],
    });
  });

  test("--exit-code tells scripts: 1 for differences, 0 for none", async () => {
    expect((await world.run(["diff", older, newer, "--exit-code"])).code).toBe(1);
    const same = await world.run(["diff", older, older, "--exit-code"]);
    expect([same.code, same.stdout]).toEqual([0, ""]);
    expect(same.stderr).toContain("Nothing differs.");
  });

  test("says when there is no such folder or backup", async () => {
    expect((await world.run(["diff", older, "nowhere"])).code).toBe(1);
    expect((await world.run(["diff", older, "website/index.html"])).code).toBe(2);
    const unknown = older.replace("website-", "other-");
    expect((await world.run(["diff", unknown])).code).toBe(3);
  });
});
