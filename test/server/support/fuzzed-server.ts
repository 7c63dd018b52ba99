import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { startServerProcess } from "../../support/server.ts";
import { send } from "./client.ts";
import { type FuzzOptions, type FuzzOutcome, fuzz } from "./fuzz.ts";
import { litterIn } from "./litter.ts";
import { seededBytes } from "./seeded.ts";

export interface FuzzedServer {
  readonly statuses: FuzzOutcome;
  /** Honest uploads that were read back meanwhile. */
  readonly honest: number;
  /** Bytes by which the server's memory grew after the first requests. */
  readonly growth: number;
}

/**
 * Fuzzes a real server process while an honest client uses it, and checks that the process lives,
 * serves, keeps no descriptor and leaves no litter.
 */
export async function fuzzServer(
  options: FuzzOptions & { readonly warmUp: number },
): Promise<FuzzedServer> {
  const server = await startServerProcess({ built: true });
  try {
    // The password is remembered from here on: what is sent with it gets to what comes after.
    expect((await send(server, "GET", "/")).status).toBe(200);
    const atRest = await settledDescriptors(server.pid);
    let over = false;
    const honest = serveHonestly(server, () => over);
    await fuzz(server, { ...options, seed: `${options.seed} warm-up`, requests: options.warmUp });
    const rssBefore = residentBytes(server.pid);
    const statuses = await fuzz(server, options);
    over = true;
    const served = await honest;
    expect((await send(server, "GET", "/")).status).toBe(200);
    const growth = residentBytes(server.pid) - rssBefore;
    expect(await settledDescriptors(server.pid, atRest)).toBeLessThanOrEqual(atRest);
    expect(litterIn(server.dataDir)).toEqual([]);
    return { statuses, honest: served, growth };
  } finally {
    await server.close();
  }
}

async function serveHonestly(
  server: Parameters<typeof send>[0],
  isOver: () => boolean,
): Promise<number> {
  let served = 0;
  while (!isOver()) {
    const name = `/honest-${served}`;
    const body = seededBytes(name, 50_000);
    expect((await send(server, "PUT", name, { body })).status).toBe(201);
    expect((await send(server, "GET", name)).body.equals(body)).toBe(true);
    served += 1;
    await sleep(50);
  }
  return served;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

/** How many descriptors are open, once it is no more than `enough` or seconds have passed. */
async function settledDescriptors(pid: number, enough = 0): Promise<number> {
  const count = () => readdirSync(`/proc/${pid}/fd`).length;
  for (let look = 0; look < 100 && count() > enough; look += 1) await sleep(enough === 0 ? 5 : 100);
  return count();
}
