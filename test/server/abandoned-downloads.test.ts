import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sendPieces } from "../../src/server/sending.ts";
import { startServer, startServerProcess, type TestServerProcess } from "../support/server.ts";
import { send } from "./support/client.ts";
import { openFilesOf } from "./support/process-figures.ts";
import { authorization, openConnection, parseAnswers, readToEnd } from "./support/raw.ts";
import { Seeded, seededBytes } from "./support/seeded.ts";

let server: TestServerProcess;
let archive: string;

beforeAll(async () => {
  server = await startServerProcess();
  const body = seededBytes("big", 8_000_000);
  expect((await send(server, "PUT", "/big", { body })).status).toBe(201);
  archive = `${server.archives}/big`;
});
afterAll(() => server.close());

const openArchives = () => openFilesOf(server.pid).filter((path) => path === archive).length;

/** Asks for the archive so often on one connection, reads some of it, and goes away. */
async function abandon(requests: number, bytesRead: number, milliseconds: number): Promise<void> {
  const socket = await openConnection(server.port);
  const get = `GET /big HTTP/1.1\r\nHost: x\r\n${authorization(server)}\r\n`;
  socket.write(get.repeat(requests));
  let left = bytesRead;
  if (left > 0) {
    socket.on("data", (piece) => {
      left -= piece.length;
      if (left <= 0) socket.pause();
    });
  }
  await sleep(milliseconds);
  socket.destroy();
}

test("a download under way has its archive open", async () => {
  const socket = await openConnection(server.port);
  socket.write(`GET /big HTTP/1.1\r\nHost: x\r\n${authorization(server)}\r\n`);
  await expect.poll(openArchives).toBe(1);
  socket.destroy();
  await expect.poll(openArchives).toBe(0);
});

test("clients that leave in the middle of pipelined downloads leave no archive open", async () => {
  const random = new Seeded("abandoned");
  for (let round = 0; round < 8; round += 1) {
    await Promise.all(
      Array.from({ length: 12 }, () =>
        abandon(
          1 + random.below(40),
          random.pick([0, 100_000, 8_000_000, 20_000_000]),
          random.below(60),
        ),
      ),
    );
  }
  await expect.poll(openArchives).toBe(0);
});

test("a download between a refusal that ends the connection and a tunnel is not begun, nor left open", async () => {
  const field = authorization(server);
  const put = `PUT /big HTTP/1.1\r\nHost: x\r\n${field}Content-Length: 5\r\n\r\n`;
  const get = `GET /big HTTP/1.1\r\nHost: x\r\n${field}\r\n`;
  for (let round = 0; round < 20; round += 1) {
    const socket = await openConnection(server.port);
    socket.write(put);
    const reply = readToEnd(socket);
    // By then it is refused, without its content.
    await once(socket, "data");
    socket.write(`hello${get}CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(parseAnswers(await reply)).toMatchObject([
      { status: 405, headers: { connection: "close" } },
    ]);
  }
  await expect.poll(openArchives).toBe(0);
});

test("an answer that waits for its turn lets go of its pieces when the client leaves", async () => {
  let pieces = 0;
  let letGo = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (; ; pieces += 1) yield seededBytes("endless", 500_000);
    } finally {
      letGo = true;
    }
  }
  // What the first request asks for never comes, so the second one's answer has no socket.
  const http = createServer(({ url }, res) => {
    if (url === "/second") void sendPieces(res, endless()).catch(() => {});
  });
  // After a tunnel is asked for Node itself cares for no answer any more.
  http.on("connect", (_, tunnel) => tunnel.once("end", () => tunnel.destroy()).resume());
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const socket = await openConnection((http.address() as AddressInfo).port);
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  socket.write(`${get("/first")}${get("/second")}CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(http, "request");
  await sleep(50);
  expect([pieces, letGo]).toEqual([0, false]);
  socket.destroy();
  await expect.poll(() => letGo).toBe(true);
  http.close();
});

test("what comes after a refusal that ends its connection is not a request", async () => {
  const field = authorization(server);
  const head = (method: string, path: string, more = "") =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${field}${more}\r\n`;
  const logged: string[] = [];
  const watched = await startServer({
    dataDir: server.dataDir,
    account: server,
    log: ({ path, status }) => path !== undefined && logged.push(`${path} ${status}`),
  });
  const socket = await openConnection(watched.port);
  socket.write(head("PUT", "/big", "Content-Length: 5\r\n"));
  const reply = readToEnd(socket);
  // By then it is refused, without its content.
  await once(socket, "data");
  socket.write(`hello${head("GET", "/big").repeat(3)}`);
  expect(parseAnswers(await reply)).toMatchObject([
    { status: 405, headers: { connection: "close" } },
  ]);
  await watched.close();
  expect(logged).toEqual(["/big 405", ...Array(3).fill("/big undefined")]);
});
