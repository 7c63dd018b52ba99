import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRecipients } from "../../src/encryption/keys.ts";
import { type BackupOptions, backup } from "../../src/operations/backup.ts";
import { listEntries } from "../../src/operations/entries.ts";
import type { Progress } from "../../src/operations/progress.ts";
import { restore, show, verify } from "../../src/operations/restore.ts";
import { newWorld, refusalOf, StoreBetween, type World, writeTree } from "./world.ts";

const FILES = { "a.txt": "alpha\n", "sub/b.txt": "beta\n" };

/** A request that works, to be made worse. */
function request(world: World): BackupOptions {
  const tree = join(world.folder, "tree");
  if (!fs.existsSync(tree)) writeTree(tree, FILES);
  const { store, key, folder } = world;
  return { store, key, name: "site", paths: [tree], cwd: folder };
}

describe("a backup is refused, with nothing stored,", () => {
  const refusals: [string, string, (good: BackupOptions) => Partial<BackupOptions>][] = [
    ["when no file matches", "not-found", () => ({ patterns: true, paths: ["tree/*.nothing"] })],
    ["when all is excluded", "not-found", () => ({ patterns: true, exclude: ["*.txt"] })],
    ["for a path that is missing", "not-found", ({ paths }) => ({ paths: [...paths, "missing"] })],
    ["for no path", "usage", () => ({ paths: [] })],
    ["for an empty name", "usage", () => ({ name: "" })],
    ["for a name that leads elsewhere", "usage", () => ({ name: "../site" })],
    ["for a name with control characters", "usage", () => ({ name: "si\nte" })],
    ["for level 0", "usage", () => ({ level: 0 })],
    ["for level 20", "usage", () => ({ level: 20 })],
    ["for level 2.5", "usage", () => ({ level: 2.5 })],
    ["for volumes below 1 MiB", "usage", () => ({ volumeSize: 2 ** 20 - 1 })],
    ["for volumes beyond a PUT", "usage", () => ({ volumeSize: 5 * 2 ** 30 + 1 })],
    ["for volumes of no size", "usage", () => ({ volumeSize: Number.NaN })],
    ["without key and recipient", "usage", () => ({ key: undefined })],
    ["with no recipients and no key", "usage", () => ({ key: undefined, recipients: [] })],
  ];

  it.each(refusals)("%s", async (_when, code, worse) => {
    const world = await newWorld();
    const good = request(world);
    const error = await refusalOf(backup({ ...good, ...worse(good) }));
    expect(error.code).toBe(code);
    expect(fs.readdirSync(join(world.folder, "store"))).toEqual([".restbackup"]);
    expect(fs.readdirSync(world.store.spool!)).toEqual([]);
    // It was that which was refused.
    expect((await backup(good)).totals.files).toBe(2);
  });

  it("says where it looked when nothing was found", async () => {
    const world = await newWorld();
    const paths = ["tree/*.nothing"];
    const error = await refusalOf(backup({ ...request(world), patterns: true, paths }));
    expect(error.hint).toContain(world.folder);
    expect(error.hint).toContain("tree/*.nothing");
  });
});

describe("a backup", () => {
  it("of an empty folder named as such is one", async () => {
    const world = await newWorld();
    fs.mkdirSync(join(world.folder, "empty"));
    const { totals } = await backup({ ...request(world), paths: ["empty"] });
    expect(totals).toMatchObject({ files: 0, directories: 1, bytes: 0 });
    await restore({ store: world.store, key: world.key, to: join(world.folder, "back") });
    expect(fs.readdirSync(join(world.folder, "back"))).toEqual([]);
  });

  it("made in the same second as another has a name of its own", async () => {
    const world = await newWorld();
    const made = [];
    for (let count = 0; count < 3; count++) made.push((await backup(request(world))).entry);
    expect(new Set(made).size).toBe(3);
    expect(await listEntries(world.store)).toHaveLength(3);
  });

  it.each([
    ["not at all", () => undefined],
    ["at another size", (entry: object) => ({ ...entry, size: 7 })],
  ])("that the store confirms but lists %s is not reported as made", async (_how, shows) => {
    const world = await newWorld();
    const store = new StoreBetween(world.store);
    store.shows = shows as StoreBetween["shows"];
    const error = await refusalOf(backup({ ...request(world), store }));
    expect(error).toMatchObject({
      code: "store-refused",
      hint: expect.stringContaining("Do not count on this backup"),
    });
  });

  it("states when the store took it in, by the store's clock", async () => {
    const world = await newWorld();
    const store = new StoreBetween(world.store);
    store.shows = (entry) => ({ ...entry, createtime: 1_000_000_000 });
    expect((await backup({ ...request(world), store })).createtime).toBe(1_000_000_000);
  });
});

describe("verify", () => {
  it("tells a backup that is too old before it reads any", async () => {
    const world = await newWorld();
    const { entry, createtime } = await backup(request(world));
    const store = new StoreBetween(world.store);
    const read: string[] = [];
    store.beforeGet = (name) => void read.push(name);
    const after = (seconds: number) => new Date((createtime + seconds) * 1000);
    const common = { store, key: world.key, maxAge: 3600 };

    const stale = await refusalOf(verify({ ...common, now: after(3601) }));
    expect(stale).toMatchObject({
      code: "stale",
      message: `The newest backup, ${entry}, is 60 minutes old; at most 60 minutes were allowed.`,
    });
    const asked = await refusalOf(verify({ ...common, entry, now: after(90_000) }));
    expect(asked.code).toBe("stale");
    expect(asked.message).toContain("25.0 hours old");
    expect(asked.message).not.toMatch(/newest/);
    expect(read).toEqual([]);

    expect((await verify({ ...common, now: after(3590) })).archive.entry).toBe(entry);
    expect(read).not.toEqual([]);
  });

  it("tells an old backup that the store passes off as new", async () => {
    const world = await newWorld();
    const { createtime } = await backup(request(world));
    const later = createtime + 90_000;
    const lying = new StoreBetween(world.store);
    lying.shows = (entry) => ({ ...entry, createtime: later });
    const now = new Date(later * 1000);
    const stale = await refusalOf(verify({ store: lying, key: world.key, maxAge: 3600, now }));
    expect(stale.code).toBe("stale");
    await verify({ store: lying, key: world.key, maxAge: 91_000, now });
  });

  it("reads all of an archive with hard links, and writes nothing", async () => {
    const world = await newWorld();
    const options = request(world);
    fs.linkSync(join(world.folder, "tree", "a.txt"), join(world.folder, "tree", "sub", "same"));
    await backup(options);
    const before = fs.readdirSync(world.folder);
    const { index, authenticity } = await verify({ store: world.store, key: world.key });
    expect(index.totals).toMatchObject({ files: 2, links: 1 });
    expect(authenticity).toEqual({ by: "key" });
    expect(fs.readdirSync(world.folder)).toEqual(before);
  });
});

describe("show", () => {
  it("shows an archive that nothing authenticates, and says so", async () => {
    const world = await newWorld();
    const recipients = await parseRecipients(world.key.recipients[0]!.text);
    await backup({ ...request(world), key: undefined, recipients });
    const { authenticity, entries } = await show({ store: world.store, key: world.key });
    expect(authenticity).toEqual({ by: "none" });
    const paths: string[] = [];
    for await (const { path } of entries) paths.push(path);
    expect(paths).toEqual([".", "a.txt", "sub", "sub/b.txt"]);
    const refused = await refusalOf(verify({ store: world.store, key: world.key }));
    expect(refused.code).toBe("unauthentic");
  });
});

describe("progress", () => {
  /** Collects events, which must never go back. */
  function recorder(): { events: Progress[]; onProgress: (progress: Progress) => void } {
    const events: Progress[] = [];
    return {
      events,
      onProgress: (progress) => {
        const before = events.at(-1);
        for (const counter of ["files", "bytes", "storedBytes"] as const) {
          expect(progress[counter]).toBeGreaterThanOrEqual(before?.[counter] ?? 0);
        }
        events.push(progress);
      },
    };
  }

  const phases = (events: readonly Progress[]) =>
    events.map(({ phase }) => phase).filter((phase, index, all) => phase !== all[index - 1]);

  it("of backup, restore and verify only grows, phase by phase, up to the totals", async () => {
    const world = await newWorld();
    const { store, key, folder } = world;
    const tree = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`${index % 7}/file-${index}`, "x".repeat(index)]),
    );
    const paths = [writeTree(join(folder, "many"), tree)];

    const making = recorder();
    const { totals, size } = await backup({ ...request(world), paths, ...making });
    expect(phases(making.events)).toEqual(["packing", "finishing"]);
    expect(making.events.at(-1)).toMatchObject({ files: totals.files, storedBytes: size });
    expect(making.events.at(-1)!.bytes).toBeGreaterThanOrEqual(totals.bytes);

    const all = totals.files + totals.directories + totals.links;
    const end = { files: all, totalFiles: all, bytes: totals.bytes, totalBytes: totals.bytes };
    const restoring = recorder();
    await restore({ store, key, to: join(folder, "back"), ...restoring });
    expect(phases(restoring.events)).toEqual(["reading", "restoring", "placing"]);
    expect(restoring.events.at(-1)).toMatchObject(end);
    expect(restoring.events.at(-1)!.storedBytes).toBeGreaterThanOrEqual(size);

    const verifying = recorder();
    await verify({ store, key, ...verifying });
    expect(phases(verifying.events)).toEqual(["reading", "verifying"]);
    expect(verifying.events.at(-1)).toMatchObject(end);
  });
});
