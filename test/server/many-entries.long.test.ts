import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startServerProcess, temporaryFolder } from "../support/server.ts";
import { send } from "./support/client.ts";
import { makeEntries } from "./support/many-entries.ts";
import { memoryOf } from "./support/process-figures.ts";
import { seededBytes } from "./support/seeded.ts";
import { timedListing } from "./support/timed-listing.ts";

const MIB = 2 ** 20;

test("an account with 100,000 entries is listed in a stream and bounded memory, and others are served meanwhile", async () => {
  const dataDir = temporaryFolder("many");
  const server = await startServerProcess({ dataDir, built: true });
  makeEntries(server.archives, 100_000);
  expect((await send(server, "HEAD", "/site-1-20261123T094012Z.tar.zst.age")).status).toBe(200);
  const before = memoryOf(server.pid, "peak");

  let listing = true;
  const waits: number[] = [];
  const others = (async () => {
    for (let round = 0; listing; round += 1) {
      const name = `/site-${round}-20261123T094012Z.tar.zst.age`;
      const start = performance.now();
      expect((await send(server, "HEAD", name)).status).toBe(200);
      expect((await send(server, "GET", name)).status).toBe(200);
      const body = seededBytes(`${round}`, 10_000);
      expect((await send(server, "PUT", `/meanwhile-${round}`, { body })).status).toBe(201);
      waits.push((performance.now() - start) / 3);
      await sleep(20);
    }
  })();
  const listings = await Promise.all(Array.from({ length: 3 }, () => timedListing(server)));
  listing = false;
  await others;
  for (const { entries, firstByte, whole } of listings) {
    expect(entries).toBeGreaterThanOrEqual(100_000);
    expect(firstByte).toBeLessThan(whole / 2);
  }
  const grown = memoryOf(server.pid, "peak") - before;
  waits.sort((a, b) => a - b);
  console.log({ listings, grownMiB: grown / MIB, slowest: waits.at(-1), rounds: waits.length });
  expect(grown).toBeLessThan(150 * MIB);
  expect(waits.length).toBeGreaterThan(5);
  expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(500);
  await server.close();
  await rm(dataDir, { recursive: true });
});

test("a dozen people who open the page of 100,000 entries at once all get it, and memory stays below 200 MiB", async () => {
  const dataDir = temporaryFolder("many-pages");
  const server = await startServerProcess({ dataDir, built: true });
  makeEntries(server.archives, 100_000);
  const pages = await Promise.all(
    Array.from({ length: 12 }, () =>
      send(server, "GET", "/", { headers: { Accept: "text/html" } }),
    ),
  );
  for (const page of pages) {
    expect(page.status).toBe(200);
    expect(page.headers["content-type"]).toMatch(/^text\/html/);
    expect(page.body.toString()).toContain("</html>");
  }
  const peak = memoryOf(server.pid, "peak");
  console.log({ peakMiB: peak / MIB });
  expect(peak).toBeLessThan(200 * MIB);
  await server.close();
  await rm(dataDir, { recursive: true });
});
