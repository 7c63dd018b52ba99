import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { startServerProcess, temporaryFolder } from "../support/server.ts";
import { listed } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { mixedLoad } from "./support/mixed-load.ts";
import { descriptorsOf } from "./support/process-figures.ts";

test("good and bad clients at once: every answer is right, and nothing is left of what was cut", async () => {
  const dataDir = temporaryFolder("mixed");
  const server = await startServerProcess({ dataDir, built: true });
  expect((await listed(server)).size).toBe(0);
  const descriptors = descriptorsOf(server.pid);
  const until = AbortSignal.timeout(5000);
  const load = { server, seed: "mixed", clients: 6, until, mostBytes: 100_000_000 };
  const { stored } = await mixedLoad(load);
  await expect.poll(() => descriptorsOf(server.pid)).toBeLessThanOrEqual(descriptors + 2);
  await expect.poll(() => litterIn(dataDir)).toEqual([]);
  expect(new Set((await listed(server)).keys())).toEqual(stored);
  await server.close();
  await rm(dataDir, { recursive: true });
});
