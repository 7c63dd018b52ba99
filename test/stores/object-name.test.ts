import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkObjectName,
  decodeObjectPath,
  encodeObjectPath,
} from "../../src/stores/object-name.ts";
import { objectNames } from "./arbitraries.ts";

describe("object names", () => {
  test("every name survives the way through a url path", () => {
    fc.assert(
      fc.property(objectNames(), (name) => {
        const path = encodeObjectPath(name);
        expect(path).toMatch(/^\/(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+$/);
        expect(decodeObjectPath(path)).toBe(name);
      }),
    );
  });

  test("a path sent as raw UTF-8, as curl does, is the same name", () => {
    const path = `/${Buffer.from("größe").toString("latin1")}`;
    expect(decodeObjectPath(path)).toBe("größe");
  });

  test.each([
    ["", "nothing"],
    ["a//b", "an empty part"],
    ["/a", "a leading slash"],
    ["a/", "a slash at the end"],
    ["a/./b", "a dot"],
    ["..", "two dots"],
    ["a\u0000b", "NUL"],
    ["a\nb", "a line break"],
    ["\ud800", "half a character"],
    ["session/x", "the server's own"],
    [`${"ä".repeat(127)}bc`, "256 bytes in a part"],
    [`${"a".repeat(250)}/`.repeat(4) + "a".repeat(21), "1025 bytes in all"],
  ])("refuses %j: %s", (name) => {
    expect(() => checkObjectName(name)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test.each([
    "a".repeat(255),
    `${"a".repeat(250)}/`.repeat(4) + "a".repeat(20),
    "session",
    "...",
    " ",
    "a b?#%",
  ])("accepts %j", (name) => {
    expect(checkObjectName(name)).toBe(name);
  });

  test.each([
    "a",
    "/%",
    "/%4",
    "/%zz",
    "/%ff",
    "/a%2Fb",
    "/a%2fb",
    "/a?b",
    "/%2e%2e",
    "/%00",
    "//a",
  ])("refuses the path %j", (path) => {
    expect(() => decodeObjectPath(path)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
