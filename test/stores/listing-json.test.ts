import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseListing } from "../../src/stores/listing-json.ts";
import type { StoredEntry } from "../../src/stores/store.ts";
import { objectNames } from "./arbitraries.ts";

async function* cutAt(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length]!;
    // One buffer for all pieces, as streams may do: what is kept must have been copied.
    const piece = Buffer.from(bytes.subarray(at, at + size));
    yield piece;
    piece.fill(0);
    at += size;
  }
}

async function parse(text: string, sizes: readonly number[] = [7]): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for await (const entry of parseListing(cutAt(text, sizes))) entries.push(entry);
  return entries;
}

describe("a listing", () => {
  test("is read the same wherever the network cuts it", async () => {
    const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    const entry = fc.record(
      { name: objectNames(), size: count, createtime: count, deletetime: count },
      { requiredKeys: ["name", "size", "createtime"] },
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry),
        sizes,
        fc.constantFrom(0, 2),
        async (entries, cuts, indent) => {
          const wire = entries.map((entry) => ({ ...entry, name: `/${entry.name}` }));
          expect(await parse(JSON.stringify(wire, null, indent), cuts)).toEqual(entries);
        },
      ),
    );
  });

  test("may say more than we know of, and hold names nobody can ask for", async () => {
    const text = `[{"name":"/a}]\\"","size":1,"createtime":2,"date":"2010-05-21T11:00:03Z","tags":[{"x":"]"}]},
      {"name":"/../b","size":1,"createtime":2}, {"name":"c","size":0,"createtime":0,"deletetime":null} ] `;
    expect(await parse(text)).toEqual([
      { name: 'a}]"', size: 1, createtime: 2 },
      { name: "c", size: 0, createtime: 0 },
    ]);
  });

  test.each([
    ["", "nothing"],
    ["[", "cut after the bracket"],
    ['[{"name":"/a","size":1,"createtime":2}', "cut after an entry"],
    ['[{"name":"/a","si', "cut inside of an entry"],
    ['[{"name":"/a","size":1,"createtime":2},]', "a comma too many"],
    ['[{"name":"/a","size":1,"createtime":2}]x', "something behind it"],
    ["<html>", "a page"],
    ['{"name":"/a"}', "no array"],
    ["[1]", "no objects"],
    ['[{"size":1,"createtime":2}]', "no name"],
    ['[{"name":"/a","size":-1,"createtime":2}]', "a negative size"],
    ['[{"name":"/a","size":1.5,"createtime":2}]', "a fraction"],
    ['[{"name":"/a","size":1}]', "no time"],
    ['[{"name":"/a","size":1,"createtime":2,"deletetime":"x"}]', "a time that is none"],
    [`[{"name":"/${"a".repeat(100_000)}`, "an entry without end"],
  ])("%.40s is refused: %s", async (text) => {
    await expect(parse(text, [1000])).rejects.toMatchObject({ code: "store-refused" });
  });
});
