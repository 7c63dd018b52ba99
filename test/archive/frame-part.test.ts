import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textBlock } from "../../bench/data.ts";
import { compressFrame, storedLength } from "../../src/archive/frame.ts";
import { readFramePart } from "../../src/archive/frame-part.ts";
import { FRAME_SIZE } from "../../src/archive/frame-settings.ts";
import type { ByteRange } from "../../src/byte-range.ts";
import { RestbackupError } from "../../src/errors.ts";

/** Bytes as a source that counts what is asked of it. */
function counting(bytes: Buffer): { stream: ByteRange; read: () => number } {
  let count = 0;
  const stream: ByteRange = {
    size: bytes.length,
    async *read(start, end) {
      count += end - start;
      yield Buffer.from(bytes.subarray(start, end));
    },
  };
  return { stream, read: () => count };
}

/** A frame of this content between others. */
async function framed(content: Buffer) {
  const frame = await compressFrame(content, 3);
  const before = randomBytes(1000);
  const source = counting(Buffer.concat([before, frame, randomBytes(1000)]));
  const place = { at: before.length, compressed: frame.length, decompressed: content.length };
  return { ...source, place, frame };
}

const CONTENTS = {
  "text, compressed": textBlock(40_000, 7).subarray(0, FRAME_SIZE),
  "noise, stored": randomBytes(FRAME_SIZE),
  "noise whose last block is short": randomBytes(300_001),
  "a little": Buffer.from("a little"),
  "noise behind text": Buffer.concat([
    textBlock(30_000, 8).subarray(0, 2 ** 20),
    randomBytes(2 ** 20),
  ]),
};

describe.each(Object.entries(CONTENTS))("a part of a frame of %s", (_, content) => {
  test("is what the content has there, wherever it is", async () => {
    const { stream, place } = await framed(content);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: content.length - 1 }),
        fc.integer({ min: 1, max: 400_000 }),
        async (start, length) => {
          const end = Math.min(start + length, content.length);
          const part = await readFramePart(stream, place, start, end);
          expect(part.equals(content.subarray(start, end))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});

test("little more than the part itself is read of a stored frame", async () => {
  const { stream, place, read, frame } = await framed(CONTENTS["noise, stored"]);
  expect(frame).toHaveLength(storedLength(FRAME_SIZE));
  await readFramePart(stream, place, FRAME_SIZE - 10_000, FRAME_SIZE);
  expect(read()).toBeLessThan(10_100);
});

test("the end of a compressed frame is not read for its beginning", async () => {
  const { stream, place, read, frame } = await framed(CONTENTS["text, compressed"]);
  await readFramePart(stream, place, 1000, 11_000);
  expect(read()).toBeLessThan(frame.length / 2);
});

test("a frame that holds less than it claims is damaged", async () => {
  const { stream, place } = await framed(CONTENTS["text, compressed"]);
  const claim = { ...place, decompressed: place.decompressed + 100_000 };
  await expect(
    readFramePart(stream, claim, place.decompressed, place.decompressed + 1),
  ).rejects.toThrow(RestbackupError);
});

test("bytes that are no frame are damaged", async () => {
  const content = Buffer.alloc(100_000, "text");
  const frame = zlib.zstdCompressSync(content);
  const { stream } = counting(Buffer.alloc(frame.length, 0x55));
  const place = { at: 0, compressed: frame.length, decompressed: content.length };
  await expect(readFramePart(stream, place, 0, 10)).rejects.toMatchObject({ code: "damaged" });
});
