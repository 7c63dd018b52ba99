import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDumpdir } from "../../src/archive/gnu-tar/dumpdir.ts";
import { memberPath } from "../../src/archive/gnu-tar/member-path.ts";
import { parsePaxRecords } from "../../src/archive/gnu-tar/pax-records.ts";
import { readTar } from "../../src/archive/gnu-tar/reader.ts";
import { requireProgram } from "../support/programs.ts";
import { differences, makeEverything, treeOf } from "../support/trees.ts";
import { apply, newTree, scratch } from "./gnu-tar-apply.ts";
import { pax } from "./gnu-tar-writer.ts";

const tar = requireProgram("tar", "archives of GNU tar in all its formats come back");

/** Archives a tree with the real GNU tar and applies it. */
async function throughTar(folder: string, source: string, options: readonly string[]) {
  const archive = join(folder, "archive.tar");
  execFileSync("tar", ["--create", "--file", archive, ...options, "--directory", source, "."]);
  const { tree, root, warnings } = newTree(folder);
  const totals = await apply(tree, archive);
  return { root, warnings, totals };
}

async function ownersIn(archive: string): Promise<Set<number>> {
  const owners = new Set<number>();
  for await (const { uid } of readTar(fs.createReadStream(archive))) owners.add(uid);
  return owners;
}

describe.skipIf(!tar)("everything a tree can hold comes back", () => {
  it.each([
    ["posix", ["--format=posix"], 1000n],
    ["posix, sparse 0.0", ["--format=posix", "--sparse", "--sparse-version=0.0"], 1000n],
    ["posix, sparse 0.1", ["--format=posix", "--sparse", "--sparse-version=0.1"], 1000n],
    ["posix, sparse 1.0", ["--format=posix", "--sparse", "--sparse-version=1.0"], 1000n],
    // Whole seconds; the one before 1970 that it rounds towards it is two off.
    ["gnu", ["--format=gnu", "--sparse"], 10n ** 9n],
    ["oldgnu", ["--format=oldgnu", "--sparse"], 10n ** 9n],
  ] as const)("from %s", async (_, options, tolerance) => {
    const folder = scratch();
    const source = join(folder, "source");
    makeEverything(source);
    const { root, warnings } = await throughTar(folder, source, options);
    const holes = options.includes("--sparse" as never);
    expect(differences(treeOf(source), treeOf(root), { tolerance, holes })).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it.each(["v7", "ustar"])("from %s, what it can hold", async (format) => {
    const folder = scratch();
    const source = join(folder, "source");
    const deep = join(source, "d".repeat(60), "e".repeat(format === "ustar" ? 60 : 20));
    fs.mkdirSync(deep, { recursive: true });
    fs.writeFileSync(join(deep, "file"), "content");
    fs.writeFileSync(join(source, "one"), "two names");
    fs.linkSync(join(source, "one"), join(source, "same"));
    fs.symlinkSync("same", join(source, "link"));
    const { root } = await throughTar(folder, source, [`--format=${format}`]);
    const found = differences(treeOf(source), treeOf(root), { tolerance: 10n ** 9n });
    expect(found).toEqual([]);
  });

  it("with owners beyond octal digits, and several hundred extents", async () => {
    const folder = scratch();
    const source = join(folder, "source");
    fs.mkdirSync(source);
    const fd = fs.openSync(join(source, "holes"), "w");
    for (let index = 0; index < 300; index++) fs.writeSync(fd, "x", index * 65_536);
    fs.closeSync(fd);
    for (const format of ["gnu", "posix"]) {
      const options = [`--format=${format}`, "--sparse", "--owner=:3000000000"];
      const { root } = await throughTar(scratch(), source, options);
      expect(await ownersIn(join(root, "..", "archive.tar"))).toEqual(new Set([3_000_000_000]));
      expect(fs.readFileSync(join(root, "holes"))).toEqual(fs.readFileSync(join(source, "holes")));
    }
  });
});

describe("a list of a folder", () => {
  const name = fc
    .string({ minLength: 1, unit: "grapheme" })
    .filter((text) => text.isWellFormed() && !text.includes("\0"));

  it("gives back the names that were put in", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("Y", "N", "D"), name)),
        fc.array(fc.tuple(name, name)),
        (names, renames) => {
          const records = [
            ...names.map(([code, text]) => `${code}${text}`),
            ...renames.flatMap(([from, to]) => [`R${from}`, `T${to}`]),
          ];
          const content = Buffer.from(`${records.map((record) => `${record}\0`).join("")}\0`);
          const parsed = parseDumpdir(content);
          expect([...parsed.names]).toEqual([
            ...new Map(names.map(([code, text]) => [text, code] as const)),
          ]);
          expect(parsed.renames).toEqual(renames.map(([from, to]) => ({ from, to })));
        },
      ),
    );
  });
});

describe("extended headers", () => {
  it("give back the records that were put in, whatever they hold", () => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => value.isWellFormed());
    const keyword = fc.stringMatching(/^[A-Za-z.]{1,20}$/);
    fc.assert(
      fc.property(fc.dictionary(keyword, text), (records) => {
        const content = Buffer.from(pax(records).content!);
        const parsed = [...parsePaxRecords(content)];
        expect(parsed.map(({ keyword, value }) => [keyword, value.toString("utf8")])).toEqual(
          Object.entries(records),
        );
      }),
    );
  });

  it("that are none are refused", () => {
    for (const text of ["5 a=b\n", "7 a=b\n", "x a=b\n", "6 a=b", "6 a b\n", "0 a=b\n", "-1 =\n"]) {
      const parse = () => [...parsePaxRecords(Buffer.from(text))];
      expect(parse, JSON.stringify(text)).toThrow(/extended header/);
    }
  });
});

describe("a member's name", () => {
  it.each([
    [".", "."],
    ["./", "."],
    ["", "."],
    ["/", "."],
    ["./a/./b//c/", "a/b/c"],
    ["/etc/passwd", "etc/passwd"],
    ["...", "..."],
    ["a..b", "a..b"],
  ])("%j is the path %j", (name, path) => {
    expect(memberPath(name)).toBe(path);
  });

  it.each(["..", "../a", "a/..", "/..", "a/../b"])("%j is refused", (name) => {
    expect(() => memberPath(name)).toThrow(/leads out/);
  });
});
