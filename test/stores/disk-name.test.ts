import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diskPath, isHashed, nameOfDiskPath } from "../../src/stores/disk-name.ts";
import { objectNames } from "./arbitraries.ts";

const platforms = ["linux", "win32"] as const;

describe("the place of an object on disk", () => {
  test.each([
    ["site-20261123T094012Z.tar.zst.age", ["site-20261123T094012Z.tar.zst.age"]],
    ["site-20261123T094012Z.tar.zst.age.000.last", ["site-20261123T094012Z.tar.zst.age.000.last"]],
    ["a/b/c", ["a.d", "b.d", "c"]],
    ["a.d", ["a%2Ed"]],
    ["a.d/b", ["a.d.d", "b"]],
    ["100%", ["100%25"]],
    [".restbackup", ["%2Erestbackup"]],
    [".restbackup/tmp", ["%2Erestbackup.d", "tmp"]],
  ])("%j lies at %j", (name, path) => {
    expect(diskPath(name, "linux")).toEqual(path);
  });

  test.each(platforms)(
    "on %s no two names share a place, nor is one's file another's folder",
    (platform) => {
      fc.assert(
        fc.property(objectNames(), objectNames(), (one, other) => {
          fc.pre(one !== other);
          const first = diskPath(one, platform);
          const second = diskPath(other, platform);
          expect(first.join("/")).not.toBe(second.join("/"));
          expect(second.join("/").startsWith(`${first.join("/")}/`)).toBe(false);
        }),
        { numRuns: 1000 },
      );
    },
  );

  test.each(platforms)(
    "on %s a place gives the name back, and the system can hold it",
    (platform) => {
      fc.assert(
        fc.property(objectNames(), (name) => {
          const path = diskPath(name, platform);
          expect(path[0]!.toLowerCase()).not.toBe(".restbackup");
          for (const segment of path) {
            expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(255);
            if (platform === "win32") {
              expect(segment).not.toMatch(/[<>:"|?*\\]|[. ]$/);
              expect(segment).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i);
            }
          }
          if (!path.some(isHashed)) expect(nameOfDiskPath(path, platform)).toBe(name);
        }),
        { numRuns: 1000 },
      );
    },
  );

  test("files that are not ours stand for no name", () => {
    for (const path of [["a%2ed"], ["a%41"], ["a%"], ["x.d"], ["folder", "a"], ["%~abc"]]) {
      expect(nameOfDiskPath(path, "linux"), path.join("/")).toBeUndefined();
    }
  });
});
