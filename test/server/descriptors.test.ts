import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { startServerProcess, type TestServerProcess, temporaryFolder } from "../support/server.ts";
import { listed, type Reply, send, sha256Of } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { seededBytes } from "./support/seeded.ts";

const hasPrlimit = requireProgram("prlimit", "a server survives being out of file descriptors");
const inUse = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function limitDescriptors(server: TestServerProcess, limit: number): void {
  const args = ["--pid", String(server.pid), `--nofile=${limit}:`];
  expect(spawnSync("prlimit", args).status).toBe(0);
}

/** What becomes of many uploads at once: replies, and undefined for a connection that was dropped. */
async function uploadMany(
  server: TestServerProcess,
  prefix: string,
  count: number,
): Promise<(Reply | undefined)[]> {
  return await Promise.all(
    Array.from({ length: count }, (_, index) =>
      send(server, "PUT", `/${prefix}/${index}`, { body: contentAt(prefix, index) }).catch(
        () => undefined,
      ),
    ),
  );
}

async function statusOf(server: TestServerProcess, path: string, body: Buffer) {
  return await send(server, "PUT", path, { body }).then(
    ({ status }) => status,
    () => undefined,
  );
}

function contentAt(prefix: string, index: number): Buffer {
  return seededBytes(`${prefix} ${index}`, 200_000);
}

test.skipIf(!hasPrlimit)(
  "out of file descriptors: 503 or no connection, nothing is lost or left, and it goes on without a restart",
  async () => {
    const dataDir = temporaryFolder("descriptors");
    const server = await startServerProcess({ dataDir });
    expect(await listed(server)).toEqual(new Map());
    const before = inUse(server.pid);
    const confirmed = new Map<string, Buffer>();
    const statuses = new Map<number | undefined, number>();
    // From hardly any to enough for all connections and not for their files.
    for (const spare of [2, 10, 45, 60, 100]) {
      limitDescriptors(server, before + spare);
      const replies = await uploadMany(server, `spare-${spare}`, 50);
      for (const [index, reply] of replies.entries()) {
        statuses.set(reply?.status, (statuses.get(reply?.status) ?? 0) + 1);
        if (reply?.status === 201) {
          confirmed.set(`spare-${spare}/${index}`, contentAt(`spare-${spare}`, index));
        }
        if (reply?.status === 503) {
          expect(Number(reply.headers["retry-after"])).toBeGreaterThan(0);
          expect(reply.body.toString()).toBe("The server is busy.\n");
        }
      }
      if (spare < 10) continue;
      // The same server, with the same limit, serves who asks for less.
      const body = seededBytes(`after ${spare}`, 1000);
      await expect.poll(() => statusOf(server, `/after-${spare}`, body)).toBe(201);
      confirmed.set(`after-${spare}`, body);
    }
    expect([...statuses.keys()].sort()).toEqual([201, 503, undefined].sort());
    limitDescriptors(server, 1024);
    expect(litterIn(dataDir)).toEqual([]);
    expect([...(await listed(server)).keys()].sort()).toEqual([...confirmed.keys()].sort());
    for (const [name, content] of confirmed) {
      expect(sha256Of((await send(server, "GET", `/${name}`)).body)).toBe(sha256Of(content));
    }
    await expect.poll(() => inUse(server.pid)).toBeLessThanOrEqual(before + 1);
    await server.close();
    await rm(dataDir, { recursive: true });
  },
);

test.skipIf(!hasPrlimit)(
  "idle connections that take all descriptors keep nobody out for longer than they last",
  async () => {
    const dataDir = temporaryFolder("descriptors");
    const server = await startServerProcess({ dataDir });
    expect(await listed(server)).toEqual(new Map());
    limitDescriptors(server, inUse(server.pid) + 40);
    const idle: Socket[] = Array.from({ length: 100 }, () =>
      connect(server.port, "127.0.0.1").on("error", () => {}),
    );
    await expect.poll(() => idle.filter((socket) => socket.destroyed).length).toBeGreaterThan(30);
    for (const socket of idle) socket.destroy();
    const body = seededBytes("afterwards", 1000);
    await expect.poll(() => statusOf(server, "/afterwards", body)).toBe(201);
    expect(litterIn(dataDir)).toEqual([]);
    await server.close();
    await rm(dataDir, { recursive: true });
  },
);
