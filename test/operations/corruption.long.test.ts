import fs from "node:fs";
import { describe, expect, it } from "vitest";
import { verify } from "../../src/operations/restore.ts";
import { REFUSALS, refused, smallArchive } from "./spoil.ts";
import { refusalOf } from "./world.ts";

describe("a restore over old files", () => {
  it("refuses every flip of every bit and every truncation, and changes nothing", async () => {
    const { good, old, absent, refusedWith } = await smallArchive();
    for (let at = 0; at < good.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const spoiled = Buffer.from(good);
        spoiled[at]! ^= 1 << bit;
        const to = bit === at % 8 ? old : absent;
        expect(REFUSALS, `bit ${bit} of byte ${at}`).toContain(await refusedWith(spoiled, to));
      }
      const code = await refusedWith(good.subarray(0, at), old);
      expect(["damaged", "wrong-key"], `${at} bytes`).toContain(code);
    }
  });
});

describe("a verify", () => {
  it("refuses whatever a restore refuses", async () => {
    const { good, store, key, entry, file, absent } = await smallArchive();
    for (let at = 0; at < good.length; at++) {
      const spoiled = Buffer.from(good);
      spoiled[at]! ^= 0xff;
      fs.writeFileSync(file(entry), spoiled);
      const restored = await refused({ store, key, entry }, absent);
      expect((await refusalOf(verify({ store, key, entry }))).code, `byte ${at}`).toBe(restored);
    }
  });
});
