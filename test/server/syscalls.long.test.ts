import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { CHANGING_CALLS, killAtCall, type Outcome } from "./support/killed-at-calls.ts";

const hasStrace = requireProgram("strace", "a server can be killed before any system call");

test.skipIf(!hasStrace)(
  "a server killed at each system call of an upload keeps it whole, or leaves nothing of it",
  async () => {
    const outcomes: Outcome[] = [];
    for (const call of CHANGING_CALLS) {
      let outcome: Outcome | undefined;
      for (let n = 1; outcome !== "answered"; n += 1) {
        outcome = await killAtCall(call, n);
        outcomes.push(outcome);
      }
    }
    expect(outcomes.filter((outcome) => outcome === "not-an-entry").length).toBeGreaterThan(5);
    expect(outcomes.filter((outcome) => outcome === "entry-without-answer").length).toBeGreaterThan(
      5,
    );
  },
);
