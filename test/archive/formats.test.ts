import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { Header, Pax } from "tar";
import { describe, expect, test } from "vitest";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import { compressFrame, decompressFrame, FRAME_SIZE } from "../../src/archive/frame.ts";
import { decimalSeconds } from "../../src/archive/packer.ts";
import { isPathString, pathFromBytes, pathToBytes } from "../../src/archive/path-bytes.ts";
import { BLOCK, TRAILER, tarHeader } from "../../src/archive/tar-header.ts";
import { requireProgram } from "../support/programs.ts";

/** Bytes that are often, but not always, UTF-8. */
const nameBytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).map((text) => Buffer.from(text)),
      fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(
        Buffer.from([0xc3]),
        Buffer.from([0xed, 0xb2, 0x80]),
        Buffer.from([0xf4, 0x90, 0x80, 0x80]),
        Buffer.from([0xef, 0xbf, 0xbd]),
        Buffer.from([0xef, 0xbb, 0xbf]),
        Buffer.from([0xc0, 0x80]),
      ),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts).filter((byte) => byte !== 0 && byte !== 0x2f))
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => bytes.length > 0 && !["", ".", ".."].includes(bytes.toString()));

describe("a path", () => {
  test("comes back from its string, whatever its bytes", () => {
    fc.assert(
      fc.property(nameBytes, (bytes) => {
        const path = pathFromBytes(bytes);
        expect(pathToBytes(path)).toEqual(bytes);
        expect(isPathString(path)).toBe(true);
        expect(JSON.parse(JSON.stringify(path))).toBe(path);
      }),
      { numRuns: 1000 },
    );
  });

  test("has one string only", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            "a",
            "é",
            "😀",
            "\udc80",
            "\udcc3",
            "\udca9",
            "\ud83d",
            "\udc2e",
            "\udcff",
          ),
        ),
        (parts) => {
          const text = parts.join("");
          if (isPathString(text)) expect(pathFromBytes(pathToBytes(text))).toBe(text);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("that is UTF-8 is that text", () => {
    expect(pathFromBytes(Buffer.from("Ünïcode 🦀\ufeff"))).toBe("Ünïcode 🦀\ufeff");
    expect(pathFromBytes(Buffer.from([0x61, 0xff]))).toBe("a\udcff");
  });
});

const textPath = fc
  .array(
    fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
      .filter((part) => !/[\0/]/.test(part) && part !== "." && part !== ".."),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.join("/"));
const mtime = fc
  .bigInt({ min: -(10n ** 19n), max: 2n ** 33n * 10n ** 9n * 4n })
  .map((nanoseconds) => decimalSeconds(nanoseconds));
const entries: fc.Arbitrary<ContentsEntry> = fc
  .record({
    path: textPath,
    type: fc.constantFrom("file", "directory", "symlink", "hardlink"),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtime,
    uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 0, max: 0xffffffff })),
    gid: fc.oneof(fc.nat(70_000), fc.integer({ min: 0, max: 0xffffffff })),
    size: fc.oneof(fc.nat(), fc.maxSafeNat()),
    target: textPath,
  })
  .map(({ size, target, ...rest }) => {
    if (rest.type === "file") return { ...rest, size };
    return rest.type === "directory" ? rest : { ...rest, target };
  }) as fc.Arbitrary<ContentsEntry>;

test("the tar package reads back every header as it was meant", () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = tarHeader(entry);
      expect(bytes.length % BLOCK).toBe(0);
      let header = new Header(bytes, 0);
      expect(header.cksumValid).toBe(true);
      if (bytes.length > BLOCK) {
        expect(header.type).toBe("ExtendedHeader");
        const records = bytes.subarray(BLOCK, BLOCK + header.size!).toString();
        const pax = Pax.parse(records);
        header = new Header(bytes, bytes.length - BLOCK, pax);
        // The reader of the package does this itself.
        if (pax.linkpath !== undefined) header.linkpath = pax.linkpath;
        expect(header.cksumValid).toBe(true);
      }
      expect(header.path).toBe(entry.type === "directory" ? `${entry.path}/` : entry.path);
      expect(header.type).toBe(
        { file: "File", directory: "Directory", symlink: "SymbolicLink", hardlink: "Link" }[
          entry.type
        ],
      );
      expect(header.mode).toBe(entry.mode);
      expect(header.uid).toBe(entry.uid);
      expect(header.gid).toBe(entry.gid);
      expect(header.size).toBe(entry.size ?? 0);
      if (entry.target !== undefined) expect(header.linkpath).toBe(entry.target);
      expect(Math.abs(header.mtime!.getTime() - Number(entry.mtime) * 1000)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});

test.skipIf(!requireProgram("tar", "tar reads our headers"))(
  "GNU tar lists every entry, times to the nanosecond",
  () => {
    const plain = fc.record({
      size: fc.constant(0),
      type: fc.constant("file" as const),
      mode: fc.integer({ min: 0, max: 0o777 }),
      path: nameBytes.map(pathFromBytes),
      // Nine decimals always, for columns that need no padding.
      mtime: fc
        .bigInt({ min: 0n, max: 4n * 10n ** 17n })
        .map((tens) => decimalSeconds(tens * 10n + 7n)),
    });
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 50 }), (list) => {
        const input = Buffer.concat([...list.map((entry) => tarHeader(entry)), TRAILER]);
        const { stdout, status } = spawnSync(
          "tar",
          [
            "tv",
            "--null",
            "--quoting-style=literal",
            "--show-stored-names",
            "--full-time",
            "--utc",
            "--numeric-owner",
          ],
          { input, env: { ...process.env, LC_ALL: "C" } },
        );
        expect(status).toBe(0);
        const expected = list.map(({ path, mtime, mode }) => {
          const [seconds, fraction = ""] = mtime.split(".");
          const time = new Date(Number(seconds) * 1000)
            .toISOString()
            .slice(0, 19)
            .replace("T", " ");
          const bits = [...mode.toString(2).padStart(9, "0")]
            .map((bit, at) => (bit === "1" ? "rwx"[at % 3] : "-"))
            .join("");
          const decimals = fraction === "" ? "" : `.${fraction}`;
          return Buffer.concat([
            Buffer.from(`-${bits} 0/0 0 ${time}${decimals} `),
            pathToBytes(path),
            Buffer.from("\n"),
          ]);
        });
        // tar pads its columns; a name may hold anything.
        const squeezed = stdout.toString("latin1").replace(/^(.{10} 0\/0) +0 /gm, "$1 0 ");
        expect(squeezed).toBe(Buffer.concat(expected).toString("latin1"));
      }),
      { numRuns: 15 },
    );
  },
);

describe("a frame", () => {
  const zstd = requireProgram("zstd", "zstd reads our frames");
  const sizes = [
    0,
    1,
    100,
    32 * 1024 * 8 - 1,
    32 * 1024 * 8,
    128 * 1024 * 3,
    FRAME_SIZE - 1,
    FRAME_SIZE,
  ];
  const kinds: [string, (size: number) => Buffer][] = [
    ["incompressible", (size) => randomBytes(size)],
    ["plain", (size) => Buffer.alloc(size, "some words ")],
    [
      "half and half",
      (size) => Buffer.concat([randomBytes(size >> 1), Buffer.alloc(size - (size >> 1))]),
    ],
  ];
  const cases = kinds.flatMap(([kind, make]) => sizes.map((size) => [kind, size, make] as const));

  test.each(cases)(
    "of %s content, %i bytes, is read by us and by zstd",
    async (kind, size, make) => {
      const content = make(size);
      const frame = Buffer.from(await compressFrame(content, 3));
      expect((await decompressFrame(frame, size)).equals(content)).toBe(true);
      if (kind === "incompressible") expect(frame.length).toBeLessThan(size + 100);
      if (!zstd) return;
      execFileSync("zstd", ["-tq"], { input: frame });
      const output = execFileSync("zstd", ["-dcq"], { input: frame, maxBuffer: 2 ** 23 });
      expect(output.equals(content)).toBe(true);
    },
  );

  test.each([-1, 1, 1000, 2 ** 27])(
    "is refused when its content is off by %i bytes",
    async (by) => {
      const frame = await compressFrame(Buffer.alloc(5000, "x"), 3);
      await expect(decompressFrame(frame, 5000 + by)).rejects.toMatchObject({ code: "damaged" });
    },
  );

  test("is refused when cut off, altered or followed by another", async () => {
    const frame = Buffer.from(await compressFrame(randomBytes(5000), 3));
    const two = Buffer.concat([frame, frame]);
    for (const bad of [frame.subarray(0, -1), Buffer.alloc(100), Buffer.alloc(0), two]) {
      await expect(decompressFrame(bad, 5000)).rejects.toMatchObject({ code: "damaged" });
    }
  });
});
