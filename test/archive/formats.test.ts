import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decimalSeconds } from "../../src/archive/packer.ts";
import { isPathString, pathFromBytes, pathToBytes } from "../../src/archive/path-bytes.ts";
import { TRAILER, tarHeader } from "../../src/archive/tar-header.ts";
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
