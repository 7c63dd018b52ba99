import { describe, expect, it } from "vitest";
import { RestbackupError } from "../../src/errors.ts";
import { parseDuration, parseSize, parseTime } from "../../src/operations/units.ts";

/** A refusal in words a terminal can show. */
function expectUsage(parse: (text: string) => unknown, text: string): void {
  let thrown: unknown;
  try {
    thrown = parse(text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(RestbackupError);
  expect(thrown).toMatchObject({ code: "usage", hint: expect.stringMatching(/^Write /) });
  const { message } = thrown as RestbackupError;
  expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  expect(message.length).toBeLessThan(250);
}

const HUGE = "9".repeat(400);

describe("a duration", () => {
  it.each([
    ["30s", 30],
    ["15m", 900],
    ["26h", 93_600],
    ["90d", 7_776_000],
    ["2w", 1_209_600],
    ["0s", 0],
    ["1.5h", 5400],
    [" 7 d ", 604_800],
  ])("%j is %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each([
    "",
    "7",
    "d",
    "-1d",
    "+1d",
    "1e3d",
    "1,5h",
    "7 days",
    "1h30m",
    "7D",
    ".5h",
    "5.h",
    "∞d",
  ])("%j is refused", (text) => expectUsage(parseDuration, text));

  it.each([`${HUGE}d`, `${"x".repeat(1000)}d`, "7d\u001b[31m"])(
    "%# is refused in short words",
    (text) => expectUsage(parseDuration, text),
  );
});

describe("a size", () => {
  it.each([
    ["4096", 4096],
    ["64M", 64 * 2 ** 20],
    ["64m", 64 * 2 ** 20],
    ["256MiB", 256 * 2 ** 20],
    ["256MB", 256 * 2 ** 20],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["1 k", 1024],
    ["2T", 2 ** 41],
    ["10B", 10],
    ["0.3k", 307],
  ])("%j is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    "",
    "M",
    "-1M",
    "1e6",
    "1,5G",
    "64 megabytes",
    "5iB",
    "64MM",
    "1P",
    "0x10",
    ".5G",
    "NaN",
  ])("%j is refused", (text) => expectUsage(parseSize, text));

  it.each([HUGE, `${HUGE}G`, "9007199254740993", "64M\u0007"])(
    "%# is refused in short words",
    (text) => expectUsage(parseSize, text),
  );
});

describe("a time", () => {
  it.each([
    ["2026-11-23T09:40:12Z", "2026-11-23T09:40:12.000Z"],
    ["2026-11-23T09:40Z", "2026-11-23T09:40:00.000Z"],
    ["2026-11-23T09:40:12.5Z", "2026-11-23T09:40:12.500Z"],
    ["2026-11-23T09:40:12+02:00", "2026-11-23T07:40:12.000Z"],
    ["2026-11-23T23:40:12-05:30", "2026-11-24T05:10:12.000Z"],
    ["20261123T094012Z", "2026-11-23T09:40:12.000Z"],
    ["2026-11-23", "2026-11-23T23:59:59.999Z"],
    ["2028-02-29", "2028-02-29T23:59:59.999Z"],
    [" 2026-11-23 ", "2026-11-23T23:59:59.999Z"],
  ])("%j is %s", (text, iso) => {
    expect(parseTime(text).toISOString()).toBe(iso);
  });

  it.each([
    "",
    "yesterday",
    "2026",
    "2026-11",
    "11/23/2026",
    "2026-11-23T09:40:12",
    "2026-11-23 09:40:12Z",
    "2026-13-01",
    "2026-00-10",
    "2026-11-31",
    "2026-02-29",
    "20260229T000000Z",
    "2026-02-30T10:00:00+01:00",
    "2026-11-23T24:00:00Z",
    "2026-11-23T09:60:00Z",
    "2026-11-23T09:40:61Z",
    "2026-11-23T09:40:12+25:00",
    "20261123T094012",
    "1795426812",
    "+002026-11-23",
    "2026-11-23\u0000",
  ])("%j is refused", (text) => expectUsage(parseTime, text));
});
