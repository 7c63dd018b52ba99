import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entryName, volumeName } from "../../src/naming.ts";
import { findEntry, listEntries } from "../../src/operations/entries.ts";
import type { StoredEntry } from "../../src/stores/store.ts";
import { listingOnly, refusalOf } from "./world.ts";

const DAY = 86_400;
const START = Date.UTC(2026, 10, 1) / 1000;

/** The name of an entry whose own date is day `dated`. */
const named = (dated: number, name = "site") =>
  entryName(name, new Date((START + dated * DAY) * 1000));
/** An object the store took in on day `taken`. */
const object = (name: string, taken: number, size = 10): StoredEntry => ({
  name,
  size,
  createtime: START + taken * DAY,
});
/** A set of volumes taken in one after the other, from day `taken` on. */
const set = (entry: string, count: number, taken: number): StoredEntry[] =>
  Array.from({ length: count }, (_, index) =>
    object(volumeName(entry, index, index === count - 1), taken + index / 1000, index + 1),
  );

describe("the latest backup", () => {
  it("is the one the store took in last, whatever the names say", async () => {
    const store = listingOnly([object(named(5), 1), object(named(1), 3), object(named(9), 2)]);
    expect((await findEntry(store, {})).entry).toBe(named(1));
    expect((await listEntries(store)).map(({ entry }) => entry)).toEqual([
      named(5),
      named(9),
      named(1),
    ]);
  });

  it("is the later name where the store took both in the same second", async () => {
    const objects = [object(named(2), 1), object(named(3), 1), object(named(1), 1)];
    expect((await findEntry(listingOnly(objects), {})).entry).toBe(named(3));
  });

  it("at a time is the last one taken in until then, that second included", async () => {
    const store = listingOnly([object(named(1), 1), object(named(2), 2), object(named(3), 3)]);
    const at = (days: number) => ({ at: new Date((START + days * DAY) * 1000) });
    expect((await findEntry(store, at(2))).entry).toBe(named(2));
    expect((await findEntry(store, at(2.99))).entry).toBe(named(2));
    expect((await findEntry(store, at(99))).entry).toBe(named(3));
    const before = await refusalOf(findEntry(store, at(0.5)));
    expect(before).toMatchObject({
      code: "not-found",
      hint: expect.stringContaining("2026-11-02"),
    });
  });

  it("needs a name where the store holds several, and tells which there are", async () => {
    const store = listingOnly([object(named(1, "site"), 1), object(named(2, "mail"), 2)]);
    const error = await refusalOf(findEntry(store, {}));
    expect(error.code).toBe("usage");
    expect(error.hint).toMatch(/\bsite\b/);
    expect(error.hint).toMatch(/\bmail\b/);
    expect((await findEntry(store, { name: "site" })).entry).toBe(named(1, "site"));
    expect((await refusalOf(findEntry(store, { name: "sit" }))).code).toBe("not-found");
  });

  it("is never a file that is no archive of ours", async () => {
    const store = listingOnly([
      object(named(1), 1),
      object("site-20261399T000000Z.tar.zst.age", 8),
      object("data.20100523.tar.gz", 9),
    ]);
    expect(await listEntries(store)).toHaveLength(1);
    expect((await findEntry(store, {})).entry).toBe(named(1));
  });
});

describe("a set of volumes", () => {
  it("counts from when its last volume was taken in, and expires with its first", async () => {
    const volumes = set(named(1), 3, 1).map((volume, index) => ({
      ...volume,
      createtime: START + [1, 5, 3][index]! * DAY,
      deletetime: START + [30, 35, 33][index]! * DAY,
    }));
    expect(await listEntries(listingOnly(volumes))).toMatchObject([
      { createtime: START + 5 * DAY, deletetime: START + 30 * DAY, size: 6, complete: true },
    ]);
  });

  it("with a gap, without its end, or with two ends is not complete, and an older one is taken", async () => {
    const full = set(named(5), 4, 5);
    const broken = {
      "without the first": full.slice(1),
      "with a gap": [...full.slice(0, 1), ...full.slice(2)],
      "without the end": full.slice(0, 3),
      "with two ends": [...full, object(volumeName(named(5), 4, true), 6)],
      "going on after its end": [...full, object(volumeName(named(5), 4, false), 6)],
      "with two for one place": [...full, object(volumeName(named(5), 3, false), 6)],
      "with one place written twice": [...full, object(`${named(5)}.0001`, 6)],
    };
    for (const [how, volumes] of Object.entries(broken)) {
      for (const order of [volumes, [...volumes].reverse()]) {
        const store = listingOnly([object(named(1), 1), ...order]);
        expect(await listEntries(store), how).toMatchObject([
          { complete: true },
          { complete: false },
        ]);
        expect((await findEntry(store, {})).entry, how).toBe(named(1));
        const error = await refusalOf(findEntry(store, { entry: named(5) }));
        expect(error, how).toMatchObject({
          code: "not-found",
          message: expect.stringMatching(/not complete/),
        });
        expect((await refusalOf(findEntry(listingOnly(order), {}))).hint).toMatch(/interrupted/);
      }
    }
  });

  it("is put behind an archive in one piece of the same name", async () => {
    const stray = set(named(1), 3, 2).slice(1);
    const store = listingOnly([...stray, object(named(1), 1, 77)]);
    expect(await findEntry(store, {})).toMatchObject({
      size: 77,
      createtime: START + DAY,
      objects: [{ name: named(1), size: 77 }],
    });
  });

  it("is put together by number, beyond a thousand", async () => {
    const volumes = set(named(1), 1203, 1);
    const byName = [...volumes].sort((a, b) => (a.name < b.name ? -1 : 1));
    const found = await findEntry(listingOnly(byName), {});
    expect(found.objects.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
    expect(found.objects.at(-1)!.name).toMatch(/\.1202\.last$/);
  });

  it("of hundreds of thousands is no trouble", async () => {
    const volumes = set(named(1), 200_000, 1);
    expect((await findEntry(listingOnly(volumes), {})).objects).toHaveLength(200_000);
  });

  it("is found by the name of one of its volumes", async () => {
    const store = listingOnly(set(named(1), 3, 1));
    const found = await findEntry(store, { entry: volumeName(named(1), 1, false) });
    expect(found.entry).toBe(named(1));
  });
});

describe("an entry by name", () => {
  it("is refused in words when it is no name, or not there", async () => {
    const store = listingOnly([object(named(1), 1)]);
    expect((await refusalOf(findEntry(store, { entry: "site" }))).code).toBe("usage");
    const error = await refusalOf(findEntry(store, { entry: named(2) }));
    expect(error).toMatchObject({
      code: "not-found",
      message: `${named(2)} is not in https://backup.example/.`,
    });
  });
});

const backups = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("a", "a-b", "a/b", "ü"),
    dated: fc.nat(30),
    taken: fc.nat(30),
    volumes: fc.nat(4),
    missing: fc.option(fc.nat(3), { nil: undefined }),
  }),
  { selector: ({ name, dated }) => `${name} ${dated}`, maxLength: 12 },
);

describe("any listing", () => {
  it("gives each NAME its latest complete backup, in whatever order it comes", async () => {
    await fc.assert(
      fc.asyncProperty(backups, fc.integer(), fc.nat(31), async (made, seed, day) => {
        const objects = made.flatMap(({ name, dated, taken, volumes, missing }) => {
          const entry = named(dated, name);
          if (volumes === 0) return [object(entry, taken)];
          return set(entry, volumes, taken).filter((_, index) => index !== missing);
        });
        const shuffled = [...objects].sort((a, b) => hash(a.name, seed) - hash(b.name, seed));
        const store = listingOnly(shuffled);
        const until = START + day * DAY;
        for (const name of new Set(made.map((one) => one.name))) {
          const expected = made
            .filter((one) => one.name === name)
            .filter(({ volumes, missing }) => missing === undefined || missing >= volumes)
            .map(({ dated, taken, volumes }) => ({
              entry: named(dated, name),
              createtime: START + taken * DAY + (Math.max(volumes, 1) - 1) * (DAY / 1000),
            }))
            .filter(({ createtime }) => createtime <= until)
            .sort((a, b) => a.createtime - b.createtime || (a.entry < b.entry ? -1 : 1))
            .at(-1);
          const finding = findEntry(store, { name, at: new Date(until * 1000) });
          if (expected === undefined) expect((await refusalOf(finding)).code).toBe("not-found");
          else expect((await finding).entry).toBe(expected.entry);
        }
      }),
    );
  });
});

/** An order that depends on the seed. */
function hash(text: string, seed: number): number {
  let value = seed | 0;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value;
}
