import { describe, expect, test } from "vitest";
import { evaluate } from "../../src/server/conditions.ts";

const object = { size: 1000, etag: '"abc"', modified: 1_274_439_603 };
const at = (seconds: number) => new Date(seconds * 1000).toUTCString();
const range = (value: string, more = {}) => evaluate("GET", { range: value, ...more }, object);
const part = (start: number, end: number) => ({ status: 206, part: { start, end } });

describe("conditions and ranges (RFC 9110)", () => {
  test.each([
    ["bytes=0-0", part(0, 1)],
    ["bytes=10-19", part(10, 20)],
    ["bytes=990-", part(990, 1000)],
    ["bytes=990-5000", part(990, 1000)],
    ["bytes=-1", part(999, 1000)],
    ["bytes=-5000", part(0, 1000)],
    ["bytes=1000-", { status: 416 }],
    ["bytes=-0", { status: 416 }],
    ["bytes=5-4", { status: 200 }],
    ["bytes=0-1,5-6", { status: 200 }],
    ["lines=1-2", { status: 200 }],
    ["bytes=-", { status: 200 }],
    ["bytes=99999999999999999999-", { status: 416 }],
  ])("Range: %s", (value, outcome) => {
    expect(range(value)).toEqual(outcome);
  });

  test("If-Range sends the part of what is still the same, else the whole", () => {
    expect(range("bytes=1-2", { "if-range": '"abc"' })).toEqual(part(1, 3));
    expect(range("bytes=1-2", { "if-range": '"old"' })).toEqual({ status: 200 });
    expect(range("bytes=1-2", { "if-range": 'W/"abc"' })).toEqual({ status: 200 });
    expect(range("bytes=1-2", { "if-range": at(object.modified) })).toEqual(part(1, 3));
    expect(range("bytes=1-2", { "if-range": at(object.modified + 1) })).toEqual({ status: 200 });
  });

  test("HEAD has no ranges", () => {
    expect(evaluate("HEAD", { range: "bytes=1-2" }, object)).toEqual({ status: 200 });
  });

  test.each([
    [{ "if-match": '"abc"' }, 200],
    [{ "if-match": "*" }, 200],
    [{ "if-match": '"x", "abc"' }, 200],
    [{ "if-match": 'W/"abc"' }, 412],
    [{ "if-match": '"x"' }, 412],
    [{ "if-unmodified-since": at(object.modified) }, 200],
    [{ "if-unmodified-since": at(object.modified - 1) }, 412],
    [{ "if-match": '"abc"', "if-unmodified-since": at(0) }, 200],
    [{ "if-none-match": '"abc"' }, 304],
    [{ "if-none-match": 'W/"abc"' }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"x"' }, 200],
    [{ "if-modified-since": at(object.modified) }, 304],
    [{ "if-modified-since": at(object.modified - 1) }, 200],
    [{ "if-none-match": '"x"', "if-modified-since": at(object.modified) }, 200],
    [{ "if-modified-since": "not a date" }, 200],
    [{ "if-match": '"x"', "if-none-match": '"abc"' }, 412],
  ])("%j answers %i", (headers, status) => {
    expect(evaluate("GET", headers, object)).toEqual({ status });
  });
});
