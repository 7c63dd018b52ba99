import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import { parseEntries } from "../../src/archive/contents-list.ts";
import { entryLineMost, putEntryLine } from "../../src/archive/entry-line.ts";
import { decimalSeconds } from "../../src/archive/packer.ts";
import { entries } from "./entries.ts";

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));

/** What a backup records of a file beyond its tar header. */
const recorded = fc.record(
  {
    sha256: digest,
    offset: fc.maxSafeNat(),
    sparse: fc.constant(true),
    changed: fc.constantFrom("grew", "shrank", "modified"),
  },
  { requiredKeys: ["sha256", "offset"] },
);

const listed: fc.Arbitrary<ContentsEntry> = fc
  .tuple(entries, recorded)
  .map(([entry, more]) => (entry.type === "file" ? { ...entry, ...more } : entry));

function lineOf(entry: ContentsEntry): string {
  const memory = Buffer.alloc(entryLineMost(entry) + 5, "~");
  const end = putEntryLine(memory, 5, entry);
  expect(end).toBeLessThanOrEqual(memory.length);
  expect(memory.toString("latin1", 0, 5)).toBe("~~~~~");
  return memory.toString("utf8", 5, end);
}

test("an entry's line is that entry in JSON, whatever it holds, and is read as it was", () => {
  fc.assert(
    fc.property(fc.array(listed, { minLength: 1, maxLength: 20 }), (list) => {
      const lines = list.map(lineOf);
      for (const [at, line] of lines.entries()) {
        expect(line.endsWith("}\n")).toBe(true);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(list[at]);
      }
      const first = list[0]?.path ?? "";
      const read = parseEntries(Buffer.from(lines.join("")), { entries: list.length, first });
      expect([...read]).toEqual(list);
    }),
    { numRuns: 500 },
  );
});

test("nanoseconds become the shortest decimal seconds that tell them", () => {
  const nanoseconds = fc.oneof(
    fc.bigInt({ min: -(10n ** 22n), max: 10n ** 22n }),
    fc.bigInt({ min: -2000n, max: 2000n }),
    fc.bigInt({ min: -100n, max: 100n }).map((seconds) => seconds * 1_000_000_000n),
    fc.bigInt({ min: -100n, max: 10n ** 10n }).map((tenths) => tenths * 100_000_000n),
  );
  fc.assert(
    fc.property(nanoseconds, (time) => {
      const text = decimalSeconds(time);
      const [, sign = "", seconds = "", fraction = ""] =
        /^(-?)(0|[1-9]\d*)(?:\.(\d{0,8}[1-9]))?$/.exec(text) ?? expect.fail(text);
      const told = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
      expect(sign === "-" ? -told : told).toBe(time);
    }),
    { numRuns: 2000 },
  );
});
