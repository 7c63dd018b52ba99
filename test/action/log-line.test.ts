import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logLine } from "../../src/action/log-line.ts";
import { parseCommand } from "../end-to-end/harness.ts";

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
