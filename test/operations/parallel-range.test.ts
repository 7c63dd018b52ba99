import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteRange, readBytes } from "../../src/byte-range.ts";
import { parallelRange } from "../../src/operations/parallel-range.ts";

const MIB = 2 ** 20;
const BYTES = randomBytes(30 * MIB);

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
      const read = await readBytes(parallelRange(slow().range, () => true), start, end);
      expect(read.equals(BYTES.subarray(start, end))).toBe(true);
    }),
    { numRuns: 10 },
  );
});

test("long reads are three requests at a time, short ones are one", async () => {
  const long = slow();
  await readBytes(parallelRange(long.range, () => true), 0, BYTES.length);
  expect(long.counts).toEqual({ now: 0, most: 3, all: 8 });
  const short = slow();
  await readBytes(parallelRange(short.range, () => true), 5, 8 * MIB);
  expect(short.counts).toEqual({ now: 0, most: 1, all: 1 });
  const whole = slow();
  await readBytes(parallelRange(whole.range, () => false), 0, BYTES.length);
  expect(whole.counts).toEqual({ now: 0, most: 1, all: 1 });
});

test("a failure comes after the bytes before it, and leaves nothing open", async () => {
  const { range, counts } = slow({ failAt: 10 * MIB });
  let read = 0;
  const reading = (async () => {
    for await (const piece of parallelRange(range, () => true).read(0, BYTES.length)) {
      read += piece.length;
    }
  })();
  await expect(reading).rejects.toThrow("cut");
  expect(read).toBe(8 * MIB);
  expect(counts.now).toBe(0);
});

test("a reader that stops leaves nothing open", async () => {
  const { range, counts } = slow();
  for await (const piece of parallelRange(range, () => true).read(0, BYTES.length)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  expect(counts.now).toBe(0);
});
