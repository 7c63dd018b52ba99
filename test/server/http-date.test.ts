import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHttpDate } from "../../src/server/http-date.ts";

const NOW = Date.UTC(2026, 10, 23);

describe("HTTP dates (RFC 9110, 5.6.7)", () => {
  test.each([
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ])("are read in the three forms: %s", (text) => {
    expect(parseHttpDate(text, NOW)).toBe(784_111_777);
  });

  test("are what is sent, for any second", () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
        expect(parseHttpDate(new Date(seconds * 1000).toUTCString())).toBe(seconds);
      }),
    );
  });

  test("of two digits are in the past when they seem more than 50 years ahead", () => {
    const yearOf = (digits: string) =>
      new Date(
        parseHttpDate(`Monday, 01-Jun-${digits} 00:00:00 GMT`, NOW)! * 1000,
      ).getUTCFullYear();
    expect([yearOf("26"), yearOf("76"), yearOf("77"), yearOf("99"), yearOf("00")]).toEqual([
      2026, 2076, 1977, 1999, 2000,
    ]);
  });

  test("know a leap day and a leap second", () => {
    expect(parseHttpDate("Tue, 29 Feb 2000 00:00:00 GMT")).toBe(951_782_400);
    expect(parseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT")).toBe(1_483_228_800);
  });

  test.each([
    ...["", "0", "1994", "1994-11-06T08:49:37Z", "06 Nov 1994 08:49:37 GMT", "784111777"],
    ...["Sun, 6 Nov 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994"],
    ...["Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000"],
    ...["Sun, 06 Nov 94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT"],
    ...["Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT"],
    ...["Thu, 29 Feb 1900 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT"],
    ...["Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT"],
    ...["Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994"],
  ])("are nothing else: %j", (text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });
});
