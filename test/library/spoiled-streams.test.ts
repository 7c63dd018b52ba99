import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import {
  decryptAge,
  encryptAge,
  generateIdentity,
  parseKey,
  type SecretKey,
  verifyAge,
} from "../../src/index.ts";

/** age spec, "Payload": chunks of 64 KiB, each with a tag of 16 bytes. */
const CHUNK = 65_536 + 16;
const CONTENT = randomBytes(3 * 65_536 + 1000);

let key: SecretKey;
let whole: Buffer;
/** Where the first chunk begins. */
let body: number;
beforeAll(async () => {
  key = await parseKey((await generateIdentity()).identity);
  whole = Buffer.concat(await Array.fromAsync(encryptAge([CONTENT], { key })));
  body = whole.length - CONTENT.length - 4 * 16;
});

/** Reads until it ends or fails. */
async function attempt(stream: AsyncIterable<Uint8Array>) {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of stream) pieces.push(Uint8Array.from(piece));
    return { error: undefined, released: Buffer.concat(pieces) };
  } catch (error) {
    return { error, released: Buffer.concat(pieces) };
  }
}

/** That it is refused, and that what came out before is the beginning of what was put in. */
async function expectRefused(spoiled: Buffer, label: string): Promise<void> {
  const decrypted = await attempt(decryptAge([spoiled], key));
  const verified = await attempt(verifyAge([spoiled], key));
  for (const { error } of [decrypted, verified]) {
    expect(error, label).toMatchObject({ name: "RestbackupError" });
    expect(["damaged", "wrong-key"], label).toContain((error as { code: string }).code);
  }
  const isBeginning = (part: Buffer, all: Buffer) => part.equals(all.subarray(0, part.length));
  expect(isBeginning(decrypted.released, CONTENT), `${label}: plaintext`).toBe(true);
  expect(isBeginning(verified.released, whole), `${label}: ciphertext`).toBe(true);
  expect(decrypted.released.length, label).toBeLessThan(CONTENT.length);
}

const chunk = (index: number) => whole.subarray(body + index * CHUNK, body + (index + 1) * CHUNK);
const joined = (...parts: Buffer[]) => Buffer.concat([whole.subarray(0, body), ...parts]);

describe("an age file, decrypted and verified as it comes", () => {
  test("opens as long as nothing is changed, in whatever pieces it comes", async () => {
    for (const size of [1000, 16_384, 65_536, CHUNK, whole.length]) {
      const pieces = function* () {
        for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
      };
      expect((await attempt(decryptAge(pieces(), key))).released.equals(CONTENT)).toBe(true);
      expect((await attempt(verifyAge(pieces(), key))).released.equals(whole)).toBe(true);
    }
  });

  test("is refused where a bit is changed, after what stands before that was given out", async () => {
    const inHeader = Array.from({ length: body }, (_, at) => at);
    const inChunks = [0, 1, 2, 3].flatMap((index) =>
      [0, 31_000, CHUNK - 16].map((at) => body + index * CHUNK + at),
    );
    const places = [...inHeader, ...inChunks].filter((at) => at < whole.length);
    for (const at of [...places, whole.length - 1]) {
      const spoiled = Buffer.from(whole);
      spoiled[at]! ^= 1;
      await expectRefused(spoiled, `byte ${at}`);
    }
  });

  test("is refused when it is cut, also where a chunk ends", async () => {
    const ends = [0, body, ...[1, 2, 3].map((index) => body + index * CHUNK), whole.length];
    const cuts = ends.flatMap((end) => [-17, -16, -1, 0, 1, 15, 16, 17].map((by) => end + by));
    for (const cut of cuts.filter((at) => at >= 0 && at < whole.length)) {
      await expectRefused(whole.subarray(0, cut), `cut at ${cut}`);
    }
  });

  test("is refused when chunks are reordered, left out, repeated or added", async () => {
    const [a, b, c, d] = [chunk(0), chunk(1), chunk(2), chunk(3)];
    await expectRefused(joined(b, a, c, d), "first two exchanged");
    await expectRefused(joined(a, c, b, d), "middle two exchanged");
    await expectRefused(joined(a, b, d, c), "last two exchanged");
    await expectRefused(joined(b, c, d), "first left out");
    await expectRefused(joined(a, b, d), "third left out");
    await expectRefused(joined(a, b, c), "last left out");
    await expectRefused(joined(a, a, b, c, d), "first repeated");
    const added = await attempt(decryptAge([joined(a, b, c, d, d)], key));
    expect(added.error).toMatchObject({ code: "damaged" });
    expect(
      (await attempt(verifyAge([Buffer.concat([whole, Buffer.of(0)])], key))).error,
    ).toMatchObject({ code: "damaged" });
  });

  test("is refused with a chunk of another file to the same key", async () => {
    const other = Buffer.concat(await Array.fromAsync(encryptAge([CONTENT], { key })));
    const theirs = other.subarray(body + CHUNK, body + 2 * CHUNK);
    await expectRefused(joined(chunk(0), theirs, chunk(2), chunk(3)), "of another file");
  });
});
