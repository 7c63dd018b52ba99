import { describe, expect, it } from "vitest";
import { progressLine, sparseProgress } from "../../src/action/progress.ts";
import type { Progress } from "../../src/operations/progress.ts";

const packing: Progress = {
  phase: "packing",
  files: 1234,
  bytes: 5.6 * 2 ** 30,
  storedBytes: 1.2 * 2 ** 30,
};

describe("progress in a log", () => {
  it("says how far a backup is", () => {
    expect(progressLine(packing, 130_000)).toBe(
      "packed 1,234 files and folders, 5.6 GiB; 1.2 GiB stored so far (2 min 10 s)",
    );
  });

  it("says how far a restore is, of how much", () => {
    const restoring = {
      ...packing,
      phase: "restoring",
      totalFiles: 2000,
      totalBytes: 8 * 2 ** 30,
    } as const;
    expect(progressLine(restoring, 42_000)).toBe(
      "restored 1,234 of 2,000 files and folders, 5.6 GiB of 8.0 GiB; 1.2 GiB fetched so far (42 s)",
    );
  });

  it("stays silent for ten seconds, and takes few lines for hours", () => {
    let time = 5000;
    const lines: number[] = [];
    const report = sparseProgress(
      () => lines.push(time),
      () => time,
    );
    for (; time < 5000 + 3 * 3_600_000; time += 250) report(packing);
    expect(lines[0]).toBe(15_000);
    expect(lines.length).toBeGreaterThan(40);
    expect(lines.length).toBeLessThan(80);
  });
});
