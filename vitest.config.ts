import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts", "**/node_modules/**"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A busy machine takes longer than a second for what is waited for.
    expect: { poll: { timeout: 15_000 } },
    setupFiles: ["test/support/no-process-left.ts"],
    pool: "forks",
    maxWorkers: 2,
  },
});
