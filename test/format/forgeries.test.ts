import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { show } from "../../src/operations/restore.ts";
import { forge } from "../archive/hostile.ts";
import { makeWorld, type World } from "../archive/world.ts";
import { type Forgery, REFUSED, TAKEN, TREE } from "./forgeries.ts";
import { readArchive } from "./independent-reader.ts";

/**
 * docs/format.md is precise when two readers who share nothing refuse and take the same archives.
 * Each forgery is encrypted and authenticated as by the owner of the key.
 */
const ENTRY = "test-20261123T000000Z.tar.zst.age";

let world: World;
let identity: string;
beforeAll(async () => {
  world = await makeWorld();
  identity = readFileSync(world.keyFile, "utf8").trim();
});
afterAll(() => world.remove());

async function stored({ tree = TREE, lies = {} }: Forgery): Promise<Buffer> {
  const archive = await forge(ENTRY, world.key, tree, lies);
  rmSync(world.at("store", ".restbackup"), { recursive: true, force: true });
  writeFileSync(world.at("store", ENTRY), archive);
  return archive;
}

describe.each(Object.entries(REFUSED))(
  "both readers refuse what docs/format.md does: %s",
  (_, forgeries) => {
    test.each(Object.entries(forgeries))("%s", async (_name, forgery) => {
      const archive = await stored(forgery);
      await expect(world.verify()).rejects.toMatchObject({
        name: "RestbackupError",
        code: expect.stringMatching(/^(damaged|unauthentic)$/),
      });
      await expect(readArchive(ENTRY, archive, { identity })).rejects.toThrow();
    });
  },
);

describe("both readers take alike an archive", () => {
  test.each(Object.entries(TAKEN))("%s", async (_, forgery) => {
    const archive = await stored(forgery);
    const read = await readArchive(ENTRY, archive, { identity });
    expect(read.proof).toBe("hmac");
    await world.verify();
    const { entries } = await show({ store: world.store, key: world.key });
    const known = (await Array.fromAsync(entries)).map((entry) => expect.objectContaining(entry));
    expect(read.entries).toEqual(known);
  });
});
