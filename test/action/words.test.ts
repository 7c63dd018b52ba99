import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesInWords, countInWords, durationInWords, logLine } from "../../src/action/words.ts";
import { parseCommand } from "../end-to-end/harness.ts";

describe("numbers in words", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [1_234_567, "1.23 MB"],
    [5_368_709_120, "5.37 GB"],
    [1_234_567_890_123_456, "1235 TB"],
  ])("%i bytes are %s", (bytes, words) => {
    expect(bytesInWords(bytes)).toBe(words);
  });

  it.each([
    [0, "0 s"],
    [449, "0.4 s"],
    [9949, "9.9 s"],
    [9950, "10 s"],
    [59_499, "59 s"],
    [59_500, "1 min 0 s"],
    [187_000, "3 min 7 s"],
    [7_500_000, "2 h 5 min"],
  ])("%i milliseconds are %s", (milliseconds, words) => {
    expect(durationInWords(milliseconds)).toBe(words);
  });

  it("counts one and many", () => {
    expect([0, 1, 1234].map((count) => countInWords(count, "file"))).toEqual([
      "0 files",
      "1 file",
      "1,234 files",
    ]);
  });
});

describe("a line for the log", () => {
  it("is left as it is when harmless", () => {
    expect(logLine("Stored a::b, 1.2 GB")).toBe("Stored a::b, 1.2 GB");
  });

  it("never is a command to the runner, whatever names it holds", () => {
    const piece = fc.constantFrom("::", ":", "error", "##[", "#", "[", " ", "\n", "\r", "\t", "x");
    const hostile = fc.array(piece).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(hostile, (text) => {
        const line = logLine(text);
        expect(line).not.toMatch(/[\r\n]/);
        expect(parseCommand(line)).toBeUndefined();
      }),
    );
  });
});
