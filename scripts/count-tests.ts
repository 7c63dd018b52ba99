// Adds up vitest's JSON reports, given by path, into one line: `N passed, N failed[, N skipped]`.
// Fails when a test failed or was skipped, or when a report is missing.
import { readFileSync } from "node:fs";

interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const count = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  for (const file of read(path)?.testResults ?? [{ status: "failed", assertionResults: [] }]) {
    for (const { status } of file.assertionResults) {
      count[status === "passed" || status === "failed" ? status : "skipped"]++;
    }
    // A file that does not load fails without any test of it failing.
    const accounted = file.assertionResults.some(({ status }) => status === "failed");
    if (file.status === "failed" && !accounted) count.failed++;
  }
}
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
if (count.failed > 0 || count.skipped > 0 || count.passed === 0) process.exitCode = 1;

/** Undefined where a run stopped before vitest: that counts as one failure. */
function read(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined;
  }
}
