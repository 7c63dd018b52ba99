import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { TestServer } from "../../support/server.ts";
import { listed, send, sha256Of } from "./client.ts";
import { Seeded, seededBytes } from "./seeded.ts";

/** What was done so often, by kind. */
export type Done = Record<
  "upload" | "download" | "range" | "listing" | "failedLogin" | "cutUpload" | "cutDownload",
  number
>;

export interface MixedLoad {
  readonly server: TestServer;
  readonly seed: string;
  readonly clients: number;
  /** Aborted when it is enough. */
  readonly until: AbortSignal;
  /** How many bytes may be stored; afterwards uploads are left out. */
  readonly mostBytes: number;
}

/** Uses a server as a day of clients does, good and bad ones; every answer is checked. */
export async function mixedLoad(load: MixedLoad): Promise<{ done: Done; stored: Set<string> }> {
  const { server, seed, clients, until, mostBytes } = load;
  const stored: string[] = [];
  let storedBytes = 0;
  const done: Done = {
    ...{ upload: 0, download: 0, range: 0, listing: 0, failedLogin: 0 },
    ...{ cutUpload: 0, cutDownload: 0 },
  };
  const contentOf = (name: string): Buffer => {
    const size = new Seeded(`size ${name}`);
    return seededBytes(name, size.below(size.pick([1_000, 20_000, 200_000, 2_000_000])));
  };

  const actions: Record<keyof Done, (random: Seeded, name: string) => Promise<void>> = {
    async upload(_, name) {
      const body = contentOf(name);
      if (storedBytes + body.length > mostBytes) return;
      storedBytes += body.length;
      expect((await send(server, "PUT", `/${name}`, { body })).status).toBe(201);
      stored.push(name);
    },
    async download(random) {
      const name = random.pick(stored);
      const { status, body } = await send(server, "GET", `/${name}`);
      expect(status).toBe(200);
      expect(sha256Of(body)).toBe(sha256Of(contentOf(name)));
    },
    async range(random) {
      const name = random.pick(stored);
      const content = contentOf(name);
      if (content.length === 0) return;
      const start = random.below(content.length);
      const end = start + random.below(content.length - start);
      const headers = { range: `bytes=${start}-${end}` };
      const { status, body } = await send(server, "GET", `/${name}`, { headers });
      expect(status).toBe(206);
      expect(body.equals(content.subarray(start, end + 1))).toBe(true);
    },
    async listing() {
      const before = [...stored];
      const entries = await listed(server);
      for (const name of before) if (!entries.has(name)) expect.fail(`${name} is not listed`);
    },
    async failedLogin(_, name) {
      // Of another account: what is guessed about one's own from one's own address counts as one's.
      const auth = `nobody${name.replaceAll(/\W/g, "")}:wrong`;
      const { status } = await send(server, "GET", "/", { auth });
      expect([401, 429, 503]).toContain(status);
    },
    async cutUpload(random, name) {
      await cut(server, random, `PUT /cut-${name} HTTP/1.1\r\nContent-Length: 9000000`, 300_000);
    },
    async cutDownload(random) {
      await cut(server, random, `GET /${random.pick(stored)} HTTP/1.1`, 0);
    },
  };
  const kinds: (keyof Done)[] = [
    ...(["upload", "upload", "download", "download", "download", "range", "range"] as const),
    ...(["listing", "failedLogin", "cutUpload", "cutDownload"] as const),
  ];

  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const random = new Seeded(`${seed} ${client}`);
      for (let turn = 0; !until.aborted; turn += 1) {
        const kind = stored.length === 0 ? "upload" : random.pick(kinds);
        await actions[kind](random, `client-${client}/entry-${turn}`);
        done[kind] += 1;
      }
    }),
  );
  return { done, stored: new Set(stored) };
}

/** Sends the beginning of a request, some more, and breaks the connection. */
async function cut(
  server: TestServer,
  random: Seeded,
  request: string,
  bytes: number,
): Promise<void> {
  const basic = Buffer.from(`${server.username}:${server.password}`).toString("base64");
  const socket = connect(server.port, "127.0.0.1").on("error", () => {});
  socket.write(`${request}\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n\r\n`);
  if (bytes > 0) socket.write(Buffer.alloc(random.below(bytes)));
  await sleep(random.below(40));
  socket.destroy();
}
