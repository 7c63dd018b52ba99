import fs from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { type RestoreOptions, restore } from "../../src/operations/restore.ts";
import { contentsOf, newWorld, refusalOf, snapshot, writeTree } from "./world.ts";

export const FILES = { "a.txt": "alpha\n", "sub/b.txt": "beta\n".repeat(50), "sub/empty": "" };
export const REFUSALS = ["damaged", "wrong-key", "unauthentic"];

/** Restores, expecting a refusal which leaves nothing, and old files as they were. */
export async function refused(options: Omit<RestoreOptions, "to">, to: string): Promise<string> {
  const existed = fs.existsSync(to);
  const around = existed ? snapshot(dirname(to)) : fs.readdirSync(dirname(to));
  const error = await refusalOf(restore({ ...options, to, overwrite: existed }));
  expect(existed ? withoutRootTime(snapshot(dirname(to))) : fs.readdirSync(dirname(to))).toEqual(
    existed ? withoutRootTime(around as Record<string, string>) : around,
  );
  return error.code;
}

/** The folder around the target changes its time as the prepared folder comes and goes. */
function withoutRootTime(entries: Record<string, string>): Record<string, string> {
  const { ".": _around, ...below } = entries;
  return below;
}

/** A small stored archive, targets with and without old files, and a way to spoil the archive. */
export async function smallArchive() {
  const world = await newWorld();
  const { entry } = await world.backUp(FILES);
  const file = world.file(entry);
  const good = fs.readFileSync(file);
  const place = join(world.folder, "targets");
  const old = writeTree(join(place, "old"), { "a.txt": "old\n", "mine/kept": "mine\n" });
  const absent = join(place, "new");
  return {
    ...world,
    entry,
    good,
    old,
    absent,
    refusedWith: (bytes: Uint8Array, to = absent) => {
      fs.writeFileSync(file, bytes);
      return refused({ store: world.store, key: world.key, entry }, to);
    },
    restored: async () => {
      fs.writeFileSync(file, good);
      await restore({ store: world.store, key: world.key, entry, to: absent });
      return contentsOf(absent);
    },
  };
}

export function flipped(bytes: Buffer, at: number): Buffer {
  const spoiled = Buffer.from(bytes);
  // Another bit at every position, so that all eight are tried.
  spoiled[at]! ^= 1 << (at % 8);
  return spoiled;
}
