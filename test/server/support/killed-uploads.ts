import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { createAccount } from "../../../src/server/accounts.ts";
import { startServerProcess, type TestServerProcess } from "../../support/server.ts";
import { listed, send, sha256Of } from "./client.ts";
import { litterIn } from "./litter.ts";
import { Seeded, seededBytes } from "./seeded.ts";

export interface KilledUploads {
  readonly dataDir: string;
  readonly seed: string;
  /** How many uploads are to be under way when the server is killed, over all kills. */
  readonly cut: number;
  readonly atOnce: number;
}

export interface KilledUploadsOutcome {
  readonly kills: number;
  /** Uploads that were under way when the server was killed. */
  readonly cut: number;
  readonly confirmed: number;
  /** Cut uploads that had become entries all the same: only their answer was lost. */
  readonly answerLost: number;
}

interface Upload {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * Uploads to a server that is killed and started again, over and over, and checks after each start
 * that what was confirmed is there, whole, and nothing else but whole uploads whose answer was lost.
 */
export async function killDuringUploads(options: KilledUploads): Promise<KilledUploadsOutcome> {
  const { dataDir, seed, atOnce } = options;
  const random = new Seeded(seed);
  const account = await createAccount(dataDir, { retentionDays: 30 });
  /** What must be there from now on: SHA-256 by name. */
  const kept = new Map<string, string>();
  let unanswered: Upload[] = [];
  let uploads = 0;
  const count = { kills: 0, cut: 0, confirmed: 0, answerLost: 0 };

  const nextUpload = (): Upload => {
    uploads += 1;
    const folder = random.pick(["", "", "daily/", "a/b/c/"]);
    const size = random.pick([0, 1, 5_000, random.below(300_000), random.below(4_000_000)]);
    const name = `${folder}entry-${uploads}`;
    return { name, content: seededBytes(`${seed} ${name}`, size) };
  };

  /** Uploads one after the other until the server dies. */
  async function work(server: TestServerProcess): Promise<void> {
    for (;;) {
      const upload = nextUpload();
      const { name, content } = upload;
      try {
        const { status } = await send(server, "PUT", `/${name}`, { body: content });
        expect(status).toBe(201);
      } catch (error) {
        if (error instanceof Error && error.name === "AssertionError") throw error;
        unanswered.push(upload);
        return;
      }
      count.confirmed += 1;
      kept.set(name, sha256Of(content));
    }
  }

  async function checkAfterRestart(server: TestServerProcess): Promise<void> {
    expect(litterIn(dataDir)).toEqual([]);
    const entries = await listed(server);
    for (const name of kept.keys()) expect([...entries.keys()]).toContain(name);
    for (const { name, content } of unanswered) {
      if (!entries.has(name)) continue;
      count.answerLost += 1;
      kept.set(name, sha256Of(content));
    }
    expect([...entries.keys()].sort()).toEqual([...kept.keys()].sort());
    await checkIntact(
      server,
      unanswered.map(({ name }) => name).filter((name) => kept.has(name)),
    );
    // The names that were lost are free.
    for (const { name, content } of unanswered) {
      const { status } = await send(server, "PUT", `/${name}`, { body: content });
      expect(status).toBe(kept.has(name) ? 405 : 201);
      kept.set(name, sha256Of(content));
    }
    unanswered = [];
  }

  async function checkIntact(server: TestServerProcess, names: Iterable<string>): Promise<void> {
    for (const name of names) {
      const { status, headers, body } = await send(server, "GET", `/${name}`);
      expect(status).toBe(200);
      expect(sha256Of(body)).toBe(kept.get(name));
      expect(headers.etag).toBe(`"${kept.get(name)}"`);
    }
  }

  const start = () => startServerProcess({ dataDir, account });
  while (count.cut < options.cut) {
    const server = await start();
    await checkAfterRestart(server);
    const working = Promise.all(Array.from({ length: atOnce }, () => work(server)));
    await sleep(random.below(random.pick([20, 100, 300])));
    await server.kill();
    await working;
    count.kills += 1;
    count.cut += unanswered.length;
  }
  const server = await start();
  await checkAfterRestart(server);
  await checkIntact(server, kept.keys());
  await server.close();
  return count;
}
