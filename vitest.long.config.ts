import { defineConfig } from "vitest/config";

// Crash, soak, corruption and size suites: minutes each, so one at a time and apart from `npm test`.
export default defineConfig({
  test: {
    include: ["test/**/*.long.test.ts"],
    testTimeout: 20 * 60_000,
    hookTimeout: 10 * 60_000,
    // A busy machine takes longer than a second for what is waited for.
    expect: { poll: { timeout: 15_000 } },
    setupFiles: ["test/support/no-process-left.ts"],
    pool: "forks",
    maxWorkers: 1,
  },
});
