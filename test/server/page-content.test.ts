import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entryName, volumeName } from "../../src/naming.ts";
import { type Cursor, gatherPage, type PageBackup } from "../../src/server/page-content.ts";
import type { StoredEntry } from "../../src/stores/store.ts";

const listOf = (files: readonly StoredEntry[]) =>
  async function* () {
    yield* files;
  };
const archive = (name: string, day: number) => entryName(name, new Date(Date.UTC(2026, 0, day)));
const file = (name: string, createtime: number, size = 1): StoredEntry => ({
  name,
  createtime,
  size,
});

/** All pages, one after the other. */
async function walk(files: readonly StoredEntry[], limits?: { backups: number; files: number }) {
  const pages: (readonly PageBackup[])[] = [];
  let after: Cursor | undefined;
  do {
    const { backups, next } = await gatherPage(listOf(files), after, limits);
    pages.push(backups);
    after = next;
    expect(pages.length).toBeLessThan(1000);
  } while (after !== undefined);
  return pages;
}

describe("a page", () => {
  test("shows volumes as one backup, and says when one is missing", async () => {
    const [whole, broken, single] = [archive("a", 1), archive("a", 2), archive("b", 3)];
    const { backups, files, bytes } = await gatherPage(
      listOf([
        file(volumeName(whole, 1, true), 50, 2),
        file(volumeName(broken, 2, true), 40, 4),
        file(volumeName(whole, 0, false), 10, 8),
        file(volumeName(broken, 0, false), 30, 16),
        file(single, 20, 32),
      ]),
      undefined,
    );
    expect([files, bytes]).toEqual([5, 62]);
    expect(backups.map(({ entry, complete, size }) => [entry, complete, size])).toEqual([
      [whole, true, 10],
      [broken, false, 20],
      [single, true, 32],
    ]);
    expect(backups[0]!.objects.map(({ name }) => name)).toEqual([
      `${whole}.000`,
      `${whole}.001.last`,
    ]);
  });

  test("lists files of other kinds too, by name where older tools gave them one", async () => {
    const whole = archive("a", 1);
    const { backups } = await gatherPage(
      listOf([
        file("data.20100523.tar.gz", 5),
        file("home-20110203T040506Z-inc1.tar.gz", 4),
        file("notes.txt", 3),
        file(whole, 2),
        // Belongs to nothing, since the archive is there in one piece.
        file(volumeName(whole, 0, false), 1),
      ]),
      undefined,
    );
    expect(backups.map(({ name, entry }) => [name, entry])).toEqual([
      ["data", "data.20100523.tar.gz"],
      ["home", "home-20110203T040506Z-inc1.tar.gz"],
      [undefined, "notes.txt"],
      ["a", whole],
      [undefined, `${whole}.000`],
    ]);
  });

  test("has the account's end of time for each: a set is gone with its first volume", async () => {
    const set = archive("a", 1);
    const { backups } = await gatherPage(
      listOf([
        { ...file(volumeName(set, 0, false), 10), deletetime: 110 },
        { ...file(volumeName(set, 1, true), 20), deletetime: 120 },
        { ...file("x", 5), deletetime: 105 },
      ]),
      undefined,
    );
    expect(backups.map(({ deletetime }) => deletetime)).toEqual([110, 105]);
  });

  test("of a hundred thousand files holds the newest thousand, and leads to the others", async () => {
    const files = async function* () {
      // In no order that helps.
      for (let i = 0; i < 100_000; i++) {
        const at = (i * 7919) % 100_000;
        yield file(archive("many", 1 + at), 1_700_000_000 + at);
      }
    };
    const before = process.memoryUsage().heapUsed;
    let most = 0;
    const watched = async function* () {
      let seen = 0;
      for await (const entry of files()) {
        seen += 1;
        if (seen % 5000 === 0) most = Math.max(most, process.memoryUsage().heapUsed - before);
        yield entry;
      }
    };
    const first = await gatherPage(watched, undefined);
    expect(first.files).toBe(100_000);
    expect(first.backups).toHaveLength(1000);
    expect(first.backups[0]!.createtime).toBe(1_700_099_999);
    expect(first.next).toMatchObject({ createtime: 1_700_099_000 });
    expect(most).toBeLessThan(150 * 2 ** 20);
    const second = await gatherPage(files, first.next);
    expect(second.backups[0]!.createtime).toBe(1_700_098_999);
  });

  test("ends early where sets have very many volumes, yet shows each backup", async () => {
    const sets = [1, 2, 3].map((day) => archive("big", day));
    const files = sets.flatMap((set, day) =>
      Array.from({ length: 1500 }, (_, index) => file(volumeName(set, index, index === 1499), day)),
    );
    const pages = await walk(files);
    expect(pages.map((page) => page.map(({ entry }) => entry))).toEqual([
      [sets[2]],
      [sets[1]],
      [sets[0]],
    ]);
    expect(pages[0]![0]).toMatchObject({ complete: true, objects: { length: 1500 } });
  });
});

test("walking the pages shows every backup once, whole, newest first", async () => {
  const time = fc.integer({ min: 0, max: 12 });
  const single = fc.record({ kind: fc.constant("single" as const), times: fc.tuple(time) });
  const other = fc.record({ kind: fc.constant("other" as const), times: fc.tuple(time) });
  const set = fc.record({
    kind: fc.constant("set" as const),
    times: fc.array(time, { minLength: 1, maxLength: 4 }),
  });
  const items = fc.array(fc.oneof(single, other, set), { maxLength: 25 });
  const limits = fc.record({
    backups: fc.integer({ min: 1, max: 6 }),
    files: fc.integer({ min: 1, max: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(items, limits, fc.infiniteStream(fc.nat()), async (made, limit, random) => {
      const files = made.flatMap(({ kind, times }, index) => {
        const entry = archive("name", index + 1);
        if (kind === "single") return [file(entry, times[0]!)];
        if (kind === "other") return [file(`file ${index}`, times[0]!)];
        return times.map((at, volume) =>
          file(volumeName(entry, volume, volume === times.length - 1), at),
        );
      });
      const shuffled = files
        .map((entry) => ({ entry, key: random.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ entry }) => entry);
      const pages = await walk(shuffled, limit);
      const seen = pages.flat();
      expect(seen.map(({ entry }) => entry).sort()).toEqual(
        made
          .map(({ kind }, index) =>
            kind === "other" ? `file ${index}` : archive("name", index + 1),
          )
          .sort(),
      );
      expect(seen.flatMap(({ objects }) => objects)).toHaveLength(files.length);
      expect(seen.every(({ complete }) => complete)).toBe(true);
      const times = seen.map(({ createtime }) => createtime);
      expect(times).toEqual([...times].sort((a, b) => b - a));
      for (const page of pages) {
        expect(page.length).toBeLessThanOrEqual(limit.backups);
        const shown = page.reduce((sum, { objects }) => sum + objects.length, 0);
        if (page.length > 1) expect(shown).toBeLessThanOrEqual(limit.files);
      }
    }),
  );
});
