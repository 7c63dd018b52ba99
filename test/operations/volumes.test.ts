import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { generateIdentity, parseKey } from "../../src/encryption/keys.ts";
import { RestbackupError } from "../../src/errors.ts";
import { type BackupOptions, backup } from "../../src/operations/backup.ts";
import { findEntry, listEntries } from "../../src/operations/entries.ts";
import { restore } from "../../src/operations/restore.ts";
import { requireProgram } from "../support/programs.ts";
import {
  contentsOf,
  newWorld,
  refusalOf,
  StoreBetween,
  temporaryFolder,
  type World,
  windows,
  writeTree,
} from "./world.ts";

const MIB = 2 ** 20;
let temporary: string;

/** Where volumes wait for a store without a folder of its own: the temporary folder. */
beforeEach(() => {
  temporary = temporaryFolder();
  stubTemporaryFolder(temporary);
});
afterEach(() => void vi.unstubAllEnvs());

function stubTemporaryFolder(folder: string): void {
  for (const name of ["TMPDIR", "TEMP", "TMP"]) vi.stubEnv(name, folder);
}

/** A folder of `mebibytes` that compression cannot make smaller, and a backup of it in volumes. */
function inVolumes(world: World, mebibytes: number): Omit<BackupOptions, "store"> {
  const tree = writeTree(join(world.folder, "large"), {
    "big.bin": randomBytes(mebibytes * MIB),
    "sub/small.txt": "small\n",
  });
  const { key } = world;
  return { key, name: "site", paths: [tree], cwd: world.folder, volumeSize: MIB };
}

/** What waits for its upload. */
function spooled({ spool }: StoreBetween): string[] {
  // Without a spool of its own there is a new folder for each backup, which goes too.
  const [folder, ...more] = spool === undefined ? fs.readdirSync(temporary) : [];
  expect(more).toEqual([]);
  if (spool !== undefined) return fs.readdirSync(spool);
  return folder === undefined ? [] : [".", ...fs.readdirSync(join(temporary, folder))];
}

const kinds = [
  ["a directory", { remote: false }],
  ["a server", { remote: true }],
] as const;

const programs = ["age", "zstd", "tar"].every((name) =>
  requireProgram(name, "archives open without restbackup"),
);

describe.each(kinds)("a backup in volumes to %s", (_kind, options) => {
  it("is the archive cut in pieces, in the order of their names", async () => {
    const world = await newWorld();
    const store = new StoreBetween(world.store, options);
    const result = await backup({ ...inVolumes(world, 5), store });
    const names = result.objects.map(({ name }) => name);
    expect(names).toEqual([
      ...[0, 1, 2, 3, 4].map((index) => `${result.entry}.00${index}`),
      `${result.entry}.005.last`,
    ]);
    expect([...names].sort()).toEqual(names);
    const pieces = names.map((name) => fs.readFileSync(world.file(name)));
    expect(pieces.slice(0, -1).map(({ length }) => length)).toEqual(Array(5).fill(MIB));
    const whole = Buffer.concat(pieces);
    expect(result.size).toBe(whole.length);
    expect(result.sha256).toBe(createHash("sha256").update(whole).digest("hex"));
    expect(result.objects.map(({ sha256 }) => sha256)).toEqual(
      pieces.map((piece) => createHash("sha256").update(piece).digest("hex")),
    );
    expect(spooled(store)).toEqual([]);

    await restore({ store, key: world.key, to: join(world.folder, "back") });
    expect(contentsOf(join(world.folder, "back"))).toEqual(contentsOf(join(world.folder, "large")));
  });

  it("uploads three at once, lets packing wait, and puts the last after all others", async () => {
    const world = await newWorld();
    const store = new StoreBetween(world.store, options);
    let running = 0;
    let most = 0;
    let waiting: string[] = [];
    const gate = Promise.withResolvers<void>();
    const started: string[] = [];
    store.beforePut = async (name) => {
      started.push(name);
      if (name.endsWith(".last")) expect(running).toBe(0);
      running += 1;
      most = Math.max(most, running);
      if (started.length > 3) return sleep(30);
      if (started.length === 3) {
        // Long enough for packing to run ahead, if it would.
        await sleep(500);
        waiting = spooled(store).filter((file) => file !== ".");
        gate.resolve();
      }
      await gate.promise;
    };
    const put = store.put.bind(store);
    store.put = (...args) => put(...args).finally(() => void running--);
    await backup({ ...inVolumes(world, 12), store });
    expect(most).toBe(3);
    // Three on their way, one ready.
    expect(waiting).toHaveLength(4);
    expect(started).toHaveLength(13);
    expect(started.at(-1)).toMatch(/\.012\.last$/);
  });

  it("that a put ends for good is no backup: the older one stays the latest", async () => {
    const world = await newWorld();
    const older = await world.backUp({ "a.txt": "older\n" });
    const store = new StoreBetween(world.store, options);
    const failure = new RestbackupError("store-refused", "The server says no.");
    store.beforePut = (name) => {
      if (name.endsWith(".004")) throw failure;
    };
    const large = inVolumes(world, 12);
    expect(await refusalOf(backup({ ...large, store }))).toBe(failure);
    expect(spooled(store)).toEqual([]);

    const listed = (await listEntries(store)).filter(({ entry }) => entry !== older.entry);
    expect(listed).toMatchObject([{ complete: false }]);
    expect(listed[0]!.objects.length).toBeGreaterThan(0);
    expect(listed[0]!.objects.length).toBeLessThan(8);
    expect((await findEntry(store, {})).entry).toBe(older.entry);
    // And is not in the way of the next.
    store.beforePut = () => {};
    const next = await backup({ ...large, store });
    expect((await findEntry(store, {})).entry).toBe(next.entry);
  });

  it("that is aborted leaves no files waiting and nothing that is taken for a backup", async () => {
    for (const when of [".000", ".003", ".last"]) {
      const world = await newWorld();
      const store = new StoreBetween(world.store, options);
      const controller = new AbortController();
      store.beforePut = (name) => {
        if (name.endsWith(when)) controller.abort();
      };
      const { signal } = controller;
      const error = await refusalOf(backup({ ...inVolumes(world, 6), store, signal }));
      expect(error.code).toBe("aborted");
      expect(spooled(store)).toEqual([]);
      expect((await listEntries(store)).some(({ complete }) => complete)).toBe(false);
    }
  });
});

it.skipIf(!programs || windows)("volumes open with cat, age, zstd and tar", async () => {
  const world = await newWorld();
  const { identity } = await generateIdentity();
  const key = await parseKey(identity);
  const { entry } = await backup({ ...inVolumes(world, 3), key, store: world.store });
  const identityFile = join(world.folder, "identity");
  fs.writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
  const out = join(world.folder, "out");
  fs.mkdirSync(out);
  const command = 'cat "$1".* | age -d -i "$2" | zstd -dc | tar x -C "$3"';
  execFileSync(
    "bash",
    ["-o", "pipefail", "-c", command, "-", world.file(entry), identityFile, out],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  expect(contentsOf(out)).toEqual(contentsOf(join(world.folder, "large")));
});

it("volumes that cannot be written anywhere are told in words", async () => {
  const world = await newWorld();
  const store = new StoreBetween(world.store, { remote: true });
  stubTemporaryFolder(join(world.folder, "missing"));
  const error = await refusalOf(backup({ ...inVolumes(world, 1), store }));
  expect(error).toMatchObject({ code: "io", hint: expect.stringContaining("TMPDIR") });
  expect(await listEntries(store)).toEqual([]);
});
