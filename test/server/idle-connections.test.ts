import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../src/server/limits.ts";
import { startServerProcess, type TestServerProcess } from "../support/server.ts";
import { send } from "./support/client.ts";
import { descriptorsOf, memoryOf } from "./support/process-figures.ts";
import { authorization, openConnection } from "./support/raw.ts";
import { seededBytes } from "./support/seeded.ts";

const MIB = 2 ** 20;
const BEGUN = "GET / HTTP/1.1\r\nHost: x\r\n";

/** A way to hold a connection and ask for nothing. */
type Hold = (server: TestServerProcess) => Promise<Socket>;

const saysNothing: Hold = ({ port }) => openConnection(port);

const beginsAHeader: Hold = async ({ port }) => {
  const socket = await openConnection(port);
  socket.write(BEGUN);
  return socket;
};

const staysAfterAnAnswer: Hold = async (server) => {
  const socket = await openConnection(server.port);
  socket.write(`${BEGUN}${authorization(server)}\r\n`);
  return socket;
};

const beginsAHandshake: Hold = async ({ port }) => {
  const socket = await openConnection(port);
  socket.write(Buffer.from("160301020001", "hex"));
  return socket;
};

const shakesHands =
  (text: (server: TestServerProcess) => string): Hold =>
  async (server) => {
    const ca = readFileSync(server.caFile!);
    const socket = connectTls({ port: server.port, host: "127.0.0.1", ca });
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("secureConnect", resolve).once("close", resolve));
    socket.write(text(server));
    return socket;
  };

/** Opens so many, some at a time; they read what comes. */
async function hold(
  server: TestServerProcess,
  ways: readonly Hold[],
  count: number,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = ways.map((way) => way(server).then((socket) => socket.resume()));
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** Uploads and reads back until told to stop; gives how long each round took, in milliseconds. */
function serveHonestly(server: TestServerProcess): { stop(): Promise<number[]> } {
  let over = false;
  const rounds = (async () => {
    const times: number[] = [];
    while (!over || times.length === 0) {
      const start = performance.now();
      const name = `/honest-${start}`;
      const body = seededBytes(name, 100_000);
      expect((await send(server, "PUT", name, { body })).status).toBe(201);
      expect((await send(server, "GET", name)).body.equals(body)).toBe(true);
      times.push(performance.now() - start);
    }
    return times;
  })();
  // Seen by who stops it; until then it must not count as unhandled.
  rounds.catch(() => {});
  return {
    async stop() {
      over = true;
      return await rounds;
    },
  };
}

test.each([
  { tls: false, ways: [saysNothing, beginsAHeader, staysAfterAnAnswer] },
  {
    tls: true,
    ways: [
      saysNothing,
      beginsAHandshake,
      shakesHands(() => ""),
      shakesHands(() => BEGUN),
      shakesHands((server) => `${BEGUN}${authorization(server)}\r\n`),
    ],
  },
])(
  "2,500 idle connections keep nobody out, take bounded memory, and leave nothing (TLS: $tls)",
  async ({ tls, ways }) => {
    const server = await startServerProcess({ tls, built: true });
    const { connections } = DEFAULT_LIMITS;
    const open = () => descriptorsOf(server.pid);
    try {
      await serveHonestly(server).stop();
      const [descriptors, memory] = [open(), memoryOf(server.pid)];
      const honest = serveHonestly(server);
      // All that may be, but for some that the honest need: none is cut.
      const first = await hold(server, ways, connections - 40);
      await expect.poll(open).toBeGreaterThan(connections - 40);
      expect(first.filter((socket) => socket.destroyed)).toEqual([]);
      const others = await hold(server, ways, 1500);
      await expect.poll(open).toBeLessThan(connections + 100);
      const times = await honest.stop();
      expect(Math.max(...times)).toBeLessThan(5000);
      const peak = memoryOf(server.pid, "peak");
      expect(peak - memory).toBeLessThan(160 * MIB);
      for (const socket of [...first, ...others]) socket.destroy();
      await expect.poll(open).toBeLessThanOrEqual(descriptors + 2);

      // What was freed is used again.
      const again = await hold(server, ways, connections);
      await serveHonestly(server).stop();
      expect(memoryOf(server.pid, "peak") - peak).toBeLessThan(48 * MIB);
      for (const socket of again) socket.destroy();
      await expect.poll(open).toBeLessThanOrEqual(descriptors + 2);
    } finally {
      await server.close();
    }
  },
);
