import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContentsEntry, ContentsWarning } from "../../src/archive/contents.ts";
import { parseEntries } from "../../src/archive/contents-list.ts";
import { Digester } from "../../src/archive/digests.ts";
import { Extractor } from "../../src/archive/extractor.ts";
import { FRAME_SIZE } from "../../src/archive/frame-settings.ts";
import { type PackedSegment, Packer } from "../../src/archive/packer.ts";
import { resolveSelection } from "../../src/archive/selection.ts";
import { makeWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
  fs.mkdirSync(world.at("tree"));
});
afterEach(() => world.remove());

const tree = (...parts: string[]) => world.at("tree", ...parts);

interface Packed {
  readonly entries: ReadonlyMap<string, ContentsEntry>;
  readonly warnings: readonly ContentsWarning[];
  readonly tar: Buffer;
}

/**
 * Packs the tree with something happening to it at an exact moment: when the frame of that number
 * is full. Then extracts what came of it, with all the checks of a restore, into `restored`.
 */
function packWhile(happens: () => void, atFrame = 0, paths: readonly string[] = [tree()]): Packed {
  const frames: Buffer[] = [];
  const segments: PackedSegment[] = [];
  const warnings: ContentsWarning[] = [];
  let buffer = new Uint8Array(0);
  const digester = new Digester();
  const totals = new Packer({
    nextFrame: () => {
      buffer = new Uint8Array(FRAME_SIZE);
      return buffer;
    },
    frame(length, wanted) {
      digester.frame(buffer, wanted);
      if (frames.push(Buffer.from(buffer.subarray(0, length))) === atFrame + 1) happens();
    },
    segment(segment) {
      digester.segment(segment);
      segments.push(segment);
    },
    warning: (warning) => warnings.push(warning),
  }).pack(resolveSelection({ paths, cwd: world.folder }));
  const tar = Buffer.concat(frames);
  expect(tar.length).toBe(totals.tarSize);

  const entries = segments.flatMap((segment) => [
    ...parseEntries(Buffer.from(segment.lines), segment),
  ]);
  fs.mkdirSync(world.at("restored"));
  const extractor = new Extractor({ root: world.at("restored"), whole: true, sameOwner: false });
  extractor.entries(entries);
  extractor.content(0, tar);
  const { totals: extracted } = extractor.end();
  expect({ ...extracted, tarSize: tar.length }).toEqual(totals);
  return { entries: new Map(entries.map((entry) => [entry.path, entry])), warnings, tar };
}

const restored = (...parts: string[]) => world.at("restored", ...parts);
const BIG = 2 * FRAME_SIZE + 1000;

/** A file that is being read when the first frame is full, so that what comes later can change. */
function bigFirst(): void {
  fs.writeFileSync(tree("a big one"), Buffer.alloc(BIG, "big"));
}

describe("a file that changes while it is read", () => {
  test("and shrinks, keeps its size, its missing end as zeros, and is named", () => {
    bigFirst();
    const { entries, warnings } = packWhile(() =>
      fs.truncateSync(tree("a big one"), FRAME_SIZE + 5),
    );
    expect(entries.get("a big one")).toMatchObject({ changed: "shrank", size: BIG });
    expect(warnings).toEqual([{ path: "a big one", problem: expect.stringContaining("zeros") }]);
    const content = fs.readFileSync(restored("a big one"));
    expect(content.length).toBe(BIG);
    expect(content.subarray(FRAME_SIZE + 5).every((byte) => byte === 0)).toBe(true);
    expect(content.subarray(0, 6).toString()).toBe("bigbig");
  });

  test("and grows, is cut at its first size, and is named", () => {
    bigFirst();
    const { entries, warnings } = packWhile(() => fs.appendFileSync(tree("a big one"), "more"));
    expect(entries.get("a big one")).toMatchObject({ changed: "grew", size: BIG });
    expect(warnings).toEqual([{ path: "a big one", problem: expect.stringContaining("grew") }]);
    expect(fs.statSync(restored("a big one")).size).toBe(BIG);
  });

  test("and is written over, is named", () => {
    bigFirst();
    const { entries, warnings } = packWhile(() => {
      const fd = fs.openSync(tree("a big one"), "r+");
      fs.writeSync(fd, "changed", BIG - 7);
      fs.closeSync(fd);
      fs.utimesSync(tree("a big one"), 1, 1);
    });
    expect(entries.get("a big one")).toMatchObject({ changed: "modified" });
    expect(warnings.map(({ path }) => path)).toEqual(["a big one"]);
    expect(fs.readFileSync(restored("a big one")).subarray(-7).toString()).toBe("changed");
  });

  test("and is deleted, is in the archive whole", () => {
    bigFirst();
    const { warnings } = packWhile(() => fs.rmSync(tree("a big one")));
    expect(warnings).toEqual([]);
    expect(fs.readFileSync(restored("a big one"))).toEqual(Buffer.alloc(BIG, "big"));
  });
});

describe("what changes before it is read", () => {
  beforeEach(() => {
    bigFirst();
    fs.mkdirSync(tree("folder"));
    fs.writeFileSync(tree("folder", "inside"), "inside");
    fs.writeFileSync(tree("small"), "small");
    fs.symlinkSync("small", tree("symlink"));
    fs.writeFileSync(tree("z last"), "last");
    fs.mkdirSync(world.at("elsewhere"));
    fs.writeFileSync(world.at("elsewhere", "secret"), "not part of it");
  });

  const VANISHED = "vanished before it was read";
  const ELSE = "became something else before it was read";
  const all = [".", "a big one", "folder", "folder/inside", "small", "symlink", "z last"];
  const without = (...missing: string[]) => all.filter((path) => !missing.includes(path));

  test.each<[string, () => void, string[], ContentsWarning[]]>([
    [
      "a file vanishes",
      () => fs.rmSync(tree("small")),
      ["small"],
      [{ path: "small", problem: VANISHED }],
    ],
    [
      "a file becomes a folder",
      () => {
        fs.rmSync(tree("small"));
        fs.mkdirSync(tree("small"));
      },
      ["small"],
      [{ path: "small", problem: ELSE }],
    ],
    [
      "a file becomes a symbolic link",
      () => {
        fs.rmSync(tree("small"));
        fs.symlinkSync(world.at("elsewhere", "secret"), tree("small"));
      },
      ["small"],
      [{ path: "small", problem: ELSE }],
    ],
    [
      "a symbolic link vanishes",
      () => fs.rmSync(tree("symlink")),
      ["symlink"],
      [{ path: "symlink", problem: VANISHED }],
    ],
    [
      "a symbolic link becomes a file",
      () => {
        fs.rmSync(tree("symlink"));
        fs.writeFileSync(tree("symlink"), "now a file");
      },
      ["symlink"],
      [{ path: "symlink", problem: ELSE }],
    ],
    [
      "a folder vanishes",
      () => fs.rmSync(tree("folder"), { recursive: true }),
      ["folder", "folder/inside"],
      [{ path: "folder", problem: VANISHED }],
    ],
    [
      "a folder becomes a file",
      () => {
        fs.rmSync(tree("folder"), { recursive: true });
        fs.writeFileSync(tree("folder"), "now a file");
      },
      ["folder", "folder/inside"],
      [{ path: "folder", problem: ELSE }],
    ],
    [
      "a folder becomes a symbolic link to elsewhere",
      () => {
        fs.rmSync(tree("folder"), { recursive: true });
        fs.symlinkSync(world.at("elsewhere"), tree("folder"));
      },
      ["folder", "folder/inside"],
      [{ path: "folder", problem: ELSE }],
    ],
    [
      "what is in a folder vanishes",
      () => fs.rmSync(tree("folder", "inside")),
      ["folder/inside"],
      [],
    ],
  ])("is named and left out, and the rest is whole, when %s", (_, happens, missing, expected) => {
    const { entries, warnings } = packWhile(happens);
    expect([...entries.keys()]).toEqual(without(...missing));
    expect(warnings).toEqual(expected);
    expect(fs.readFileSync(restored("z last"), "utf8")).toBe("last");
  });

  test("is named when a folder vanishes while it is being read", () => {
    fs.writeFileSync(tree("folder", "in a big one"), Buffer.alloc(BIG));
    fs.mkdirSync(tree("folder", "sub"));
    fs.writeFileSync(tree("folder", "sub", "x"), "x");
    const { entries, warnings } = packWhile(
      () => fs.rmSync(tree("folder"), { recursive: true }),
      3,
    );
    expect([...entries.keys()]).toEqual([
      ".",
      "a big one",
      "folder",
      "folder/in a big one",
      ...without(".", "a big one", "folder", "folder/inside"),
    ]);
    expect(warnings.map(({ path }) => path)).toEqual(["folder/inside", "folder/sub"]);
  });

  test("is no reason for a part without the folders it lies in", () => {
    const paths = [tree("a big one"), tree("folder", "inside"), tree("z last")];
    const { entries, warnings } = packWhile(
      () => {
        fs.renameSync(tree("folder"), world.at("moved"));
        fs.symlinkSync(world.at("moved"), tree("folder"));
      },
      0,
      paths,
    );
    expect([...entries.keys()]).toEqual(["a big one", "z last"]);
    expect(warnings).toEqual([{ path: "folder", problem: ELSE }]);
  });
});

test("hard links stay links when a name of theirs vanishes", () => {
  bigFirst();
  fs.writeFileSync(tree("b1"), "shared");
  fs.linkSync(tree("b1"), tree("b2"));
  fs.linkSync(tree("b1"), tree("b3"));
  packWhile(() => fs.rmSync(tree("b1")));
  expect(fs.readdirSync(restored()).sort()).toEqual(["a big one", "b2", "b3"]);
  expect(fs.statSync(restored("b2")).ino).toBe(fs.statSync(restored("b3")).ino);
});

test("equal trees give equal tars, byte for byte", () => {
  for (const name of ["one", "two"]) {
    fs.mkdirSync(world.at(name, "sub"), { recursive: true });
    const names = ["b", "a", "c"];
    for (const file of name === "one" ? names : names.reverse()) {
      fs.writeFileSync(world.at(name, "sub", file), file.repeat(1000));
      fs.utimesSync(world.at(name, "sub", file), 1_700_000_000.5, 1_700_000_000.5);
    }
    fs.symlinkSync("sub/a", world.at(name, "link"));
    fs.lutimesSync(world.at(name, "link"), 5, 5);
    fs.utimesSync(world.at(name, "sub"), 6, 6);
    fs.utimesSync(world.at(name), 7, 7);
  }
  const first = packWhile(() => {}, 0, [world.at("one")]).tar;
  fs.rmSync(world.at("restored"), { recursive: true });
  const second = packWhile(() => {}, 0, [world.at("two")]).tar;
  expect(first.equals(second)).toBe(true);
});
