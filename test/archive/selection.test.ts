import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  globMatcher,
  resolveSelection,
  type SelectionRequest,
} from "../../src/archive/selection.ts";
import { walk } from "../../src/archive/walk.ts";
import { openStore } from "../../src/stores/open.ts";
import { makeWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  for (const file of [
    "p/README.md",
    "p/src/a.ts",
    "p/src/b.ts",
    "p/src/b.test.ts",
    "p/src/deep/c.ts",
    "p/src/deep/.hidden",
    "p/node_modules/x/index.js",
    "p/dist/out.js",
    "p/dist/keep/me.js",
    "q/other",
  ]) {
    fs.mkdirSync(path.dirname(world.at(file)), { recursive: true });
    fs.writeFileSync(world.at(file), file);
  }
  fs.mkdirSync(world.at("p/empty"));
  fs.symlinkSync("p", world.at("link-to-p"));
  fs.symlinkSync("src/a.ts", world.at("p/link-to-a"));
});
afterAll(() => world.remove());

/** Root and paths of what is selected. */
function select(request: Partial<SelectionRequest>): { root: string; paths: string[] } {
  const selection = resolveSelection({ paths: [], cwd: world.at("p"), ...request });
  const found = [
    ...walk(selection, (_, error) => {
      throw error;
    }),
  ];
  return {
    root: path.relative(world.folder, selection.root),
    paths: found.map((item) => item.path),
  };
}

const patterns = (...paths: string[]) => select({ paths, patterns: true });

const WHOLE = [
  ".",
  "README.md",
  "dist",
  "dist/keep",
  "dist/keep/me.js",
  "dist/out.js",
  "empty",
  "link-to-a",
  "node_modules",
  "node_modules/x",
  "node_modules/x/index.js",
  "src",
  "src/a.ts",
  "src/b.test.ts",
  "src/b.ts",
  "src/deep",
  "src/deep/.hidden",
  "src/deep/c.ts",
];

describe("plain paths", () => {
  test("one folder is the root, hidden files and all", () => {
    expect(select({ paths: ["."] })).toEqual({ root: "p", paths: WHOLE });
    expect(select({ paths: [world.at("p/")] })).toEqual({ root: "p", paths: WHOLE });
  });
  test("a symbolic link to a folder means the folder", () => {
    expect(select({ paths: ["../link-to-p"] })).toEqual({ root: "p", paths: WHOLE });
  });
  test("a symbolic link to a file means the link", () => {
    expect(select({ paths: ["link-to-a"] })).toEqual({ root: "p", paths: ["link-to-a"] });
  });
  test("one file lies in its folder", () => {
    expect(select({ paths: ["src/a.ts"] })).toEqual({ root: "p/src", paths: ["a.ts"] });
  });
  test("several lie below what they have in common", () => {
    expect(select({ paths: ["src/deep", "../q"] })).toEqual({
      root: "",
      paths: ["p", "p/src", "p/src/deep", "p/src/deep/.hidden", "p/src/deep/c.ts", "q", "q/other"],
    });
  });
  test("a folder and a file in it are that folder once", () => {
    expect(select({ paths: ["src/deep", "src/deep/c.ts"] }).paths).toEqual([
      ".",
      ".hidden",
      "c.ts",
    ]);
  });
  test("wildcards in them are just characters", () => {
    fs.mkdirSync(world.at("odd"));
    fs.writeFileSync(world.at("odd/[a]*?{b,c}!(d)|+@.txt"), "");
    fs.writeFileSync(world.at("odd/a"), "");
    expect(select({ cwd: world.at("odd"), paths: ["[a]*?{b,c}!(d)|+@.txt"] }).paths).toEqual([
      "[a]*?{b,c}!(d)|+@.txt",
    ]);
  });
  test("what does not exist is refused by name, and nothing named is refused", () => {
    expect(() => select({ paths: ["nowhere"] })).toThrow(/nowhere/);
    expect(() => select({ paths: [] })).toThrow(/No path/);
    expect(() => patterns("# only a comment", "!src")).toThrow(/No path/);
  });
});

describe("patterns", () => {
  test("a folder means all below it, `!` takes out, and the last line that matches decides", () => {
    expect(patterns(".", "!node_modules", "!dist", "dist/keep").paths).toEqual(
      WHOLE.filter((p) => !/^node_modules|^dist\/out/.test(p)),
    );
    expect(patterns("src", "!src/deep").paths).toEqual([".", "a.ts", "b.test.ts", "b.ts"]);
    expect(patterns("!src/deep", "src").paths).toContain("deep/c.ts");
  });
  test("globs cross folders only with **", () => {
    expect(patterns("src/*.ts").paths).toEqual(["a.ts", "b.test.ts", "b.ts"]);
    expect(patterns("src/**/*.ts").paths).toEqual([
      "a.ts",
      "b.test.ts",
      "b.ts",
      "deep",
      "deep/c.ts",
    ]);
    expect(patterns("src/**/*.ts", "!**/*.test.ts").paths).toEqual([
      "a.ts",
      "b.ts",
      "deep",
      "deep/c.ts",
    ]);
    expect(patterns("src/?.ts").paths).toEqual(["a.ts", "b.ts"]);
    expect(patterns("src/[!a].ts").paths).toEqual(["b.ts"]);
  });
  test("exclusions hold that start above what is taken", () => {
    expect(patterns("src/deep", "!src").paths).toEqual([]);
    expect(patterns("!src", "src/deep").paths).toContain("c.ts");
    expect(patterns("src/deep", "!s*/d*").paths).toEqual([]);
    expect(patterns("src/deep/*", "!**/.hidden").paths).toEqual(["c.ts"]);
    expect(patterns("src/deep/*", "!q/**", "!../q").paths).toEqual([".hidden", "c.ts"]);
    expect(patterns("src/*", `!${world.at("*/src/b*")}`).paths).toEqual([
      "a.ts",
      "deep",
      "deep/.hidden",
      "deep/c.ts",
    ]);
  });
  test("a glob that matches a folder takes what it holds", () => {
    expect(patterns("src/d*").paths).toEqual(["deep", "deep/.hidden", "deep/c.ts"]);
  });
  test("a folder on the way is there only when something in it is", () => {
    expect(patterns("**/me.js")).toEqual({
      root: "p",
      paths: ["dist", "dist/keep", "dist/keep/me.js"],
    });
    expect(patterns("**/nothing").paths).toEqual([]);
  });
  test("comments, empty lines and spaces around do not count", () => {
    expect(patterns("# all", "", "  src/a.ts  ", "#src/b.ts")).toEqual({
      root: "p/src",
      paths: ["a.ts"],
    });
  });
  test("~ is the home folder", () => {
    expect(resolveSelection({ paths: ["~"], patterns: true, cwd: "/" }).root).toBe(
      fs.realpathSync(os.homedir()),
    );
    expect(resolveSelection({ paths: ["~/nowhere-at-all/*"], patterns: true, cwd: "/" }).root).toBe(
      path.join(os.homedir(), "nowhere-at-all"),
    );
  });
  test("a folder whose own name has wildcards' characters can be the base of a glob", () => {
    const strange = world.at("strange {a,b} (c)|d+@!");
    fs.mkdirSync(path.join(strange, "in"), { recursive: true });
    fs.writeFileSync(path.join(strange, "in", "x.ts"), "");
    fs.writeFileSync(world.at("q/y"), "");
    expect(patterns(`${strange}/*/*.ts`, world.at("q/y")).paths).toEqual([
      "q",
      "q/y",
      "strange {a,b} (c)|d+@!",
      "strange {a,b} (c)|d+@!/in",
      "strange {a,b} (c)|d+@!/in/x.ts",
    ]);
  });
});

describe("excludes", () => {
  test("without a slash match a name at any depth, with one a path below the root", () => {
    expect(select({ paths: ["."], exclude: ["node_modules", "*.ts"] }).paths).toEqual(
      WHOLE.filter((p) => !/^node_modules|\.ts$/.test(p)),
    );
    expect(select({ paths: ["."], exclude: ["src/*.ts"] }).paths).toEqual(
      WHOLE.filter((p) => !/^src\/[^/]*\.ts$/.test(p)),
    );
    expect(select({ paths: ["."], exclude: ["/dist/"] }).paths).toEqual(
      WHOLE.filter((p) => !/^dist/.test(p)),
    );
  });
  test("hold against patterns too", () => {
    expect(select({ paths: ["src/**"], patterns: true, exclude: ["deep"] }).paths).not.toContain(
      "deep/c.ts",
    );
  });
  test("match names with line breaks and backslashes", () => {
    const matches = globMatcher(["*.log", "b\\\\*"]);
    expect(matches("a\nb.log")).toBe(true);
    expect(matches("x/a\r\n\n.log")).toBe(true);
    expect(matches("b\\c")).toBe(true);
    expect(matches("a.txt")).toBe(false);
  });
  test("* matches every name", () => {
    const one = globMatcher(["*"]);
    const all = globMatcher(["**"]);
    fc.assert(
      fc.property(
        fc
          .string({ unit: "binary", minLength: 1 })
          .filter((n) => !/[\0/]/.test(n) && n !== "." && n !== ".."),
        (name) => {
          expect(one(name)).toBe(true);
          expect(all(name)).toBe(true);
        },
      ),
    );
  });
  test("an empty one is refused", () => {
    expect(() => globMatcher(["/"])).toThrow(/empty/);
  });
});

test("the store inside the tree is left out, and said to be", async () => {
  const inside = await openStore(String(pathToFileURL(world.at("q", "backups"))), { create: true });
  const { warnings } = await world.backup({ store: inside, paths: [world.at("q")] });
  expect(warnings).toEqual([{ path: "backups", problem: expect.stringContaining("store") }]);
  await world.restore({ store: inside, to: world.at("q-restored") });
  expect(fs.existsSync(world.at("q-restored", "other"))).toBe(true);
  expect(fs.existsSync(world.at("q-restored", "backups"))).toBe(false);
});
