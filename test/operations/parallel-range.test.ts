import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteRange, readBytes } from "../../src/byte-range.ts";
import { parallelRange } from "../../src/operations/parallel-range.ts";

const MIB = 2 ** 20;
const BYTES = randomBytes(30 * MIB);
/** Every line is slow. */
const SLOW = { possible: () => true, fast: Number.POSITIVE_INFINITY };

/** A source that takes its time, and counts what goes on in it. */
function slow({ failAt = Number.POSITIVE_INFINITY } = {}) {
  const counts = { now: 0, most: 0, all: 0 };
  const range: ByteRange = {
    size: BYTES.length,
    async *read(start, end) {
      counts.now += 1;
      counts.all += 1;
      counts.most = Math.max(counts.most, counts.now);
      try {
        for (let at = start; at < end; at += MIB) {
          await sleep(Math.random() * 3);
          if (at >= failAt) throw new Error("cut");
          yield Buffer.from(BYTES.subarray(at, Math.min(at + MIB, end)));
        }
      } finally {
        counts.now -= 1;
      }
    },
  };
  return { range, counts };
}

test("any part is what the source has there", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(BYTES.length), fc.nat(BYTES.length), async (a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      const read = await readBytes(parallelRange(slow().range, SLOW), start, end);
      expect(read.equals(BYTES.subarray(start, end))).toBe(true);
    }),
    { numRuns: 10 },
  );
});

test("on a slow line long reads are three requests at a time after a first one", async () => {
  const long = slow();
  await readBytes(parallelRange(long.range, SLOW), 0, BYTES.length);
  expect(long.counts).toEqual({ now: 0, most: 3, all: 1 + 11 });
  const short = slow();
  await readBytes(parallelRange(short.range, SLOW), 5, 8 * MIB);
  expect(short.counts).toEqual({ now: 0, most: 1, all: 1 });
});

test("on a fast line, or where there are no ranges, one request follows the first", async () => {
  for (const options of [
    { possible: () => true, fast: 1 },
    { ...SLOW, possible: () => false },
  ]) {
    const { range, counts } = slow();
    const read = await readBytes(parallelRange(range, options), 0, BYTES.length);
    expect(read.equals(BYTES)).toBe(true);
    expect(counts).toEqual({ now: 0, most: 1, all: 2 });
  }
});

test("a failure comes after the bytes before it, and leaves nothing open", async () => {
  const { range, counts } = slow({ failAt: 12 * MIB });
  let read = 0;
  const reading = (async () => {
    for await (const piece of parallelRange(range, SLOW).read(0, BYTES.length)) {
      read += piece.length;
    }
  })();
  await expect(reading).rejects.toThrow("cut");
  expect(read).toBe(12 * MIB);
  expect(counts.now).toBe(0);
});

test("a reader that stops leaves nothing open", async () => {
  const { range, counts } = slow();
  for await (const piece of parallelRange(range, SLOW).read(0, BYTES.length)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  expect(counts.now).toBe(0);
});
