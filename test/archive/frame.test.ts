import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressFrame, decompressFrame, takeContent } from "../../src/archive/frame.ts";
import { FRAME_SIZE } from "../../src/archive/frame-settings.ts";
import { requireProgram } from "../support/programs.ts";

const zstd = requireProgram("zstd", "stock zstd reads our frames, and we read its");
const text = Buffer.from("a line that compresses well\n".repeat(5000));
const skippable = Buffer.from("502a4d1803000000616263", "hex");

function refused(frame: Uint8Array, size: number): Promise<void> {
  return expect(decompressFrame(frame, size)).rejects.toMatchObject({ code: "damaged" });
}

describe("a frame", () => {
  it("gives back any content at any level", async () => {
    const contents = fc.oneof(
      fc.uint8Array({ maxLength: 5000 }),
      fc
        .record({ byte: fc.nat(255), length: fc.nat(700_000) })
        .map(({ byte, length }) => new Uint8Array(length).fill(byte)),
      fc.nat(700_000).map((length) => new Uint8Array(randomBytes(length))),
    );
    await fc.assert(
      fc.asyncProperty(contents, fc.integer({ min: 1, max: 6 }), async (content, level) => {
        const frame = await compressFrame(content, level);
        expect(await decompressFrame(frame, content.length)).toEqual(Buffer.from(content));
        const own = Buffer.from(frame);
        expect(await takeContent(own, content.length)).toEqual(Buffer.from(content));
      }),
      { numRuns: 40 },
    );
  });

  it.each([0, 1, 2 ** 17 - 1, 2 ** 17, 2 ** 17 + 1, 2 ** 18, FRAME_SIZE - 1, FRAME_SIZE])(
    "of %i random bytes, stored as they are or not, is one zstd reads",
    async (size) => {
      const content = randomBytes(size);
      const frame = await compressFrame(content, 3);
      expect(frame.length).toBeLessThan(size + 100);
      expect(await decompressFrame(frame, size)).toEqual(content);
      if (!zstd) return;
      const out = execFileSync("zstd", ["-dq"], { input: frame, maxBuffer: 2 * FRAME_SIZE });
      expect(out).toEqual(content);
    },
  );

  describe("of raw blocks", () => {
    const size = 3 * 2 ** 17 - 50_000;
    const content = randomBytes(size);
    const outcome = (reading: Promise<Buffer>) =>
      reading.then(
        (bytes) => bytes.equals(content),
        (error: unknown) => (error as { code: string }).code,
      );

    it("is read as zstd reads it, however another writer cut them", async () => {
      const lengths = [2 ** 17 - 20_000, 2 ** 17 - 30_000, 2 ** 17];
      const frame = [Buffer.from("28b52ffda000000000", "hex")];
      frame[0]!.writeUInt32LE(size, 5);
      for (let at = 0, i = 0; i < lengths.length; at += lengths[i]!, i++) {
        const header = Buffer.alloc(3);
        header.writeUIntLE((lengths[i]! << 3) | (i === 2 ? 1 : 0), 0, 3);
        frame.push(header, content.subarray(at, at + lengths[i]!));
      }
      // As long as ours, and not the same.
      const ours = await compressFrame(content, 3);
      expect(Buffer.concat(frame)).toHaveLength(ours.length);
      expect(await outcome(takeContent(Buffer.concat(frame), size))).toBe(true);
    });

    it("is refused where it is longer than the format allows", async () => {
      const long = 2 ** 26 + 1;
      const header = Buffer.from("28b52ffda000000000", "hex");
      header.writeUInt32LE(long, 5);
      const frame = [header];
      for (let from = 0; from < long; from += 2 ** 17) {
        const length = Math.min(2 ** 17, long - from);
        const block = Buffer.alloc(3 + length);
        block.writeUIntLE((length << 3) | (from + length === long ? 1 : 0), 0, 3);
        frame.push(block);
      }
      const reading = takeContent(Buffer.concat(frame), long);
      await expect(reading).rejects.toThrow("the format allows 64 MiB");
    });

    it("is refused or read as zstd does it with any bit of its headers changed", async () => {
      const frame = await compressFrame(content, 3);
      const blocks = [9, 12 + 2 ** 17, 15 + 2 ** 18];
      for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, ...blocks.flatMap((b) => [b, b + 1, b + 2])]) {
        for (let bit = 0; bit < 8; bit++) {
          const changed = Buffer.from(frame);
          changed[at]! ^= 1 << bit;
          const expected = await outcome(decompressFrame(changed, size));
          expect(await outcome(takeContent(changed, size))).toBe(expected);
        }
      }
    });
  });

  it("is one also where it ends just where a piece of the compressor's output does", async () => {
    // Too short to be stored, so that each goes through zstd, which makes it longer by as much.
    const length = 200_000;
    const frameOf = async (size: number) => (await compressFrame(randomBytes(size), 13)).length;
    const room = 2 ** 19 - 2 * (await frameOf(length));
    const overhead = (await frameOf(room - 100)) - (room - 100);
    // A level's only context here makes these, into memory of 512 KiB, of which so much is left.
    for (const [level, left] of [
      [14, 3],
      [15, 1],
      [16, 0],
      [17, -1],
    ] as const) {
      for (const size of [length, length, room - overhead - left, length]) {
        const content = randomBytes(size);
        expect(await decompressFrame(await compressFrame(content, level), size)).toEqual(content);
      }
    }
  });

  it("does not depend on what the compressor made before, or meanwhile", async () => {
    const contents = Array.from({ length: 12 }, (_, i) => Buffer.from(`${i} ${text}`.repeat(4)));
    const alone: Buffer[] = [];
    for (const content of contents) alone.push(await compressFrame(content, 3));
    const together = await Promise.all(
      contents.toReversed().map((content) => compressFrame(content, 3)),
    );
    expect(together.toReversed()).toEqual(alone);
  });

  it.skipIf(!zstd)("made by the zstd program is read, with checksum and without", async () => {
    for (const options of [
      ["--check"],
      ["--no-check"],
      ["--no-content-size"],
      ["--ultra", "-20"],
    ]) {
      const frame = execFileSync("zstd", ["-cq", ...options], { input: text });
      expect(await decompressFrame(frame, text.length)).toEqual(text);
    }
  });

  it("that holds less or more than stated is refused", async () => {
    const frame = zlib.zstdCompressSync(text);
    for (const size of [0, 1, text.length - 1, text.length + 1, 2 * text.length]) {
      await refused(frame, size);
    }
  });

  it("followed by another is refused: zstd would read both, and node:zlib only the first", async () => {
    const frame = zlib.zstdCompressSync(text);
    await refused(Buffer.concat([frame, frame]), text.length);
    await refused(Buffer.concat([frame, frame]), 2 * text.length);
    await refused(Buffer.concat([frame, zlib.zstdCompressSync(Buffer.alloc(0))]), text.length);
    await refused(Buffer.concat([frame, skippable]), text.length);
    await refused(Buffer.concat([skippable, frame]), text.length);
    await refused(Buffer.concat([frame, Buffer.alloc(1)]), text.length);
  });

  it("that is cut short is refused at every length", async () => {
    const frame = zlib.zstdCompressSync(text);
    for (let length = 0; length < frame.length; length++) {
      await refused(frame.subarray(0, length), text.length);
    }
  });

  it("that grows beyond what is stated stops there, and takes no memory for the rest", async () => {
    // Half a gigabyte: a header without content size, window 128 KiB, then as many blocks of zeros.
    const blocks = Buffer.alloc(4 * 4096);
    for (let at = 0; at < blocks.length; at += 4) {
      const last = at + 4 === blocks.length ? 1 : 0;
      blocks.writeUIntLE(last | (1 << 1) | ((2 ** 17) << 3), at, 3);
    }
    const bomb = Buffer.concat([Buffer.from("28b52ffd0038", "hex"), blocks]);
    if (zstd) {
      const length = execFileSync("bash", ["-c", "zstd -dq | wc -c"], { input: bomb });
      expect(Number(length)).toBe(2 ** 29);
    }
    const before = process.resourceUsage().maxRSS;
    await refused(bomb, 1000);
    await refused(bomb, 2 ** 29);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(64 * 2 ** 10);
  });
});
