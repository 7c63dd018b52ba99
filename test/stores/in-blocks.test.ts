import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inBlocks } from "../../src/stores/in-blocks.ts";

const content = randomBytes(3 * 2 ** 20);

async function* cut(sizes: readonly number[], until = content.length, pause = 0) {
  // Memory that is used again for the next.
  const memory = Buffer.alloc(Math.max(...sizes));
  for (let at = 0, turn = 0; at < until; turn++) {
    const length = Math.min(sizes[turn % sizes.length]!, until - at);
    content.copy(memory, 0, at, at + length);
    at += length;
    yield memory.subarray(0, length);
    if (pause > 0) await sleep(pause);
  }
}

async function* failing(sizes: readonly number[], until: number) {
  yield* cut(sizes, until);
  throw new Error("cut");
}

describe("pieces put together", () => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 300, max: 70_000 }), fc.integer({ min: 2 ** 17, max: 2 ** 20 })),
    { minLength: 1, maxLength: 6 },
  );
  const until = fc.nat(content.length);

  test("are the same bytes, in fewer pieces, whether or not more comes than was announced", async () => {
    const announced = fc.option(fc.nat(content.length), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(sizes, until, fc.boolean(), announced, async (some, end, right, other) => {
        const got: Buffer[] = [];
        for await (const piece of inBlocks(cut(some, end), right ? end : other)) {
          got.push(Buffer.from(piece));
        }
        expect(Buffer.concat(got).equals(content.subarray(0, end))).toBe(true);
        expect(got.length).toBeLessThanOrEqual(Math.ceil(end / Math.min(...some)));
      }),
      { numRuns: 60 },
    );
  });

  test("are the reader's to keep where they were put together", async () => {
    const got: Uint8Array[] = [];
    for await (const piece of inBlocks(cut([16_384]), content.length)) got.push(piece);
    expect(Buffer.concat(got).equals(content)).toBe(true);
    // Memory of their own, so that it can go to another thread.
    for (const { buffer, byteLength } of got) expect(buffer.byteLength).toBe(byteLength);
  });

  test("come before the failure that came after them", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, until, async (some, end) => {
        const got: Buffer[] = [];
        const reading = (async () => {
          for await (const piece of inBlocks(failing(some, end), content.length)) {
            got.push(Buffer.from(piece));
          }
        })();
        await expect(reading).rejects.toThrow("cut");
        expect(Buffer.concat(got).equals(content.subarray(0, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("are not held back on a slow line", async () => {
    let length = 0;
    for await (const piece of inBlocks(cut([1000], 30_000, 30), 30_000)) {
      length = piece.length;
      break;
    }
    expect(length).toBeLessThan(10_000);
  });
});
