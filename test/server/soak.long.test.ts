import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { startServerProcess, temporaryFolder } from "../support/server.ts";
import { listed, send, sha256Of } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { mixedLoad } from "./support/mixed-load.ts";
import { descriptorsOf, memoryOf } from "./support/process-figures.ts";

const MIB = 2 ** 20;
const DURATION = 240_000;
/**
 * V8's heap and malloc's grow by steps to their working size in the first two minutes (live
 * memory is back at some 15 MiB after every collection): what grows after that is a leak.
 */
const WARM_UP = 130_000;
/** An hour in which a small company's machines come one a second. */
const HOURS_WORTH = 3600;

interface Sample {
  /** Milliseconds. */
  readonly time: number;
  readonly memory: number;
}

/** By how much the samples grow from first to last, by least squares. */
function growthOf(samples: readonly Sample[]): number {
  const mean = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  const time = mean(samples.map((sample) => sample.time));
  const memory = mean(samples.map((sample) => sample.memory));
  let [above, below] = [0, 0];
  for (const sample of samples) {
    above += (sample.time - time) * (sample.memory - memory);
    below += (sample.time - time) ** 2;
  }
  return (above / below) * (samples.at(-1)!.time - samples[0]!.time);
}

test("an hour's worth of mixed load leaves memory and descriptors as they were, and every entry whole", async () => {
  const dataDir = temporaryFolder("soak");
  const server = await startServerProcess({ dataDir, built: true });
  expect((await listed(server)).size).toBe(0);
  const descriptors = descriptorsOf(server.pid);
  const samples: Sample[] = [];
  const start = performance.now();
  const sampling = setInterval(() => {
    const time = performance.now() - start;
    if (time > WARM_UP) samples.push({ time, memory: memoryOf(server.pid) });
  }, 1000);
  const until = AbortSignal.timeout(DURATION);
  const load = { server, seed: "soak", clients: 8, until, mostBytes: 500 * MIB };
  const { done, stored } = await mixedLoad(load);
  clearInterval(sampling);

  const growth = growthOf(samples) / MIB;
  const peak = memoryOf(server.pid, "peak") / MIB;
  console.log({ done, growth, peak, entries: stored.size });
  expect(Object.values(done).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(HOURS_WORTH);
  expect(Math.min(...Object.values(done))).toBeGreaterThan(100);
  expect(growth).toBeLessThan(24);
  expect(peak).toBeLessThan(200);
  await expect.poll(() => descriptorsOf(server.pid)).toBeLessThanOrEqual(descriptors + 2);
  await expect.poll(() => litterIn(dataDir)).toEqual([]);
  const entries = await listed(server);
  expect(new Set(entries.keys())).toEqual(stored);
  for (const name of stored) {
    const { headers, body } = await send(server, "GET", `/${name}`);
    expect(headers.etag).toBe(`"${sha256Of(body)}"`);
  }
  await server.close();
  await rm(dataDir, { recursive: true });
});
