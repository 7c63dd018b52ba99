import fc from "fast-check";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import { pathFromBytes } from "../../src/archive/path-bytes.ts";

/** Entries of any kind a tree can hold, for property tests. Paths are by themselves: in no order. */

/** One part of a path: any bytes but NUL and slash. */
const part = fc
  .oneof(
    { weight: 3, arbitrary: fc.string({ minLength: 1, maxLength: 20 }).map((s) => Buffer.from(s)) },
    {
      weight: 2,
      arbitrary: fc
        .string({ unit: "binary", minLength: 1, maxLength: 40 })
        .map((s) => Buffer.from(s)),
    },
    {
      weight: 2,
      arbitrary: fc.uint8Array({ minLength: 1, maxLength: 255 }).map((b) => Buffer.from(b)),
    },
  )
  .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0 && byte !== 0x2f)))
  .filter((bytes) => bytes.length > 0 && ![".", ".."].includes(bytes.toString("latin1")));

/** A path string of one to eight parts. */
const path = fc
  .array(part, { minLength: 1, maxLength: 8 })
  .map((parts) =>
    pathFromBytes(Buffer.from(parts.map((p) => p.toString("latin1")).join("/"), "latin1")),
  );

const mtime = fc
  .record({
    seconds: fc.oneof(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.integer({ min: -(2 ** 36), max: 2 ** 36 }),
      fc.constantFrom(0, 8 ** 11 - 1, 8 ** 11, -1),
    ),
    fraction: fc.oneof(fc.constant(""), fc.stringMatching(/^\.[0-9]{0,8}[1-9]$/)),
  })
  .map(({ seconds, fraction }) => `${seconds}${fraction}`);

const id = fc.oneof(
  fc.constantFrom(undefined, 1, 1000, 65_534, 8 ** 7 - 1, 8 ** 7, 2 ** 32 - 1),
  fc.integer({ min: 1, max: 2 ** 32 - 1 }),
);

const size = fc.oneof(
  fc.nat(5000),
  fc.constantFrom(8 ** 11 - 1, 8 ** 11, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);

/** What is in an entry's tar header. */
export const entries: fc.Arbitrary<ContentsEntry> = fc
  .record({
    path,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtime,
    uid: id,
    gid: id,
    kind: fc.oneof(
      fc.record({ type: fc.constant("file" as const), size }),
      fc.record({ type: fc.constant("directory" as const) }),
      fc.record({ type: fc.constantFrom("symlink" as const, "hardlink" as const), target: path }),
    ),
  })
  .map(({ path, mode, mtime, uid, gid, kind }) => ({
    path,
    ...kind,
    mode,
    mtime,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }));
