import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { type Outcome, outcomeOf, World } from "../cli/world.ts";
import { basic } from "./support/operated.ts";

const world = new World();
afterAll(() => world.remove());
let made = 0;

interface Serving {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  readonly port: number;
  readonly metricsUrl: string;
  /** What is being uploaded. */
  spooled(): string[];
  /** A connection with half of an upload of eight bytes sent. */
  halfUpload(name: string): Promise<Socket>;
}

/** The real program with an account and a listener for health. */
async function serving(...more: string[]): Promise<Serving> {
  made += 1;
  const data = join(world.root, `data-${made}`);
  const account = await createAccount(data, { retentionDays: 30 });
  const child = world.start([
    ...["serve", "--data", data, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", ...more],
  ]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = outcomeOf(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const first = String((await lines.next()).value);
  const second = String((await lines.next()).value);
  const port = Number(/:(\d+)\/$/.exec(first)![1]);
  const tmp = join(data, "archives", account.username, ".restbackup", "tmp");
  const spooled = () => readdirSync(tmp);
  return {
    child,
    ended,
    port,
    metricsUrl: /http:\S+/.exec(second)![0],
    spooled,
    async halfUpload(name) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      const head = `PUT /${name} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(account)}\r\n`;
      socket.write(`${head}Content-Length: 8\r\n\r\nhalf`);
      await expect.poll(spooled).not.toEqual([]);
      return socket;
    },
  };
}

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return await once(socket, "connect").then(
    () => {
      socket.destroy();
      return false;
    },
    () => true,
  );
}

/** How many connections a server says it has. */
function connections(metricsUrl: string): () => Promise<number> {
  return async () => {
    const text = await (await fetch(new URL("/metrics", metricsUrl))).text();
    return Number(/^restbackup_connections (\d+)$/m.exec(text)?.[1]);
  };
}

describe("a server that is told to stop", () => {
  test("is no longer ready, takes no connection, and finishes the upload under way", async () => {
    const { child, ended, port, metricsUrl, halfUpload } = await serving();
    const ready = () => fetch(new URL("/readyz", metricsUrl)).then(({ status }) => status);
    expect(await ready()).toBe(200);
    const upload = await halfUpload("finished");
    // None of these is a reason to wait.
    const idle = connect(port, "127.0.0.1");
    const slow = connect(port, "127.0.0.1");
    slow.write("GET / HTTP/1.1\r\nHost:");
    await expect.poll(connections(metricsUrl)).toBe(3);
    const cut = [idle, slow].map((socket) => once(socket.resume(), "close"));
    child.kill("SIGTERM");
    await expect.poll(ready).toBe(503);
    await expect.poll(() => refuses(port)).toBe(true);
    await sleep(300);
    expect(child.exitCode).toBeNull();
    upload.write("half");
    let reply = "";
    for await (const piece of upload) reply += piece;
    expect(reply).toMatch(/^HTTP\/1\.1 201 /);
    expect(reply).toMatch(/\r\nConnection: close\r\n/i);
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain('"level":"error"');
    await Promise.all(cut);
  });

  test("waits as long as it may, then cuts what is left, which leaves nothing", async () => {
    const { child, ended, halfUpload, spooled } = await serving("--shutdown-grace", "1");
    await halfUpload("cut");
    const begun = Date.now();
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(Date.now() - begun).toBeGreaterThan(900);
    expect(stderr).toContain('"message":"cut 1 request to stop"');
    expect(spooled()).toEqual([]);
  });

  test("twice, ends at once", async () => {
    const { child, ended, halfUpload, metricsUrl } = await serving("--shutdown-grace", "600");
    await halfUpload("left");
    child.kill("SIGTERM");
    const ready = () => fetch(new URL("/readyz", metricsUrl)).then(({ status }) => status);
    await expect.poll(ready).toBe(503);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(143);
  });

  test("has nothing to wait for when nothing is under way", async () => {
    const { child, ended } = await serving();
    const begun = Date.now();
    child.kill("SIGINT");
    expect((await ended).code).toBe(0);
    expect(Date.now() - begun).toBeLessThan(5000);
  });
});

test("numbers that are none are refused before anything is served", async () => {
  const serve = ["serve", "--data", join(world.root, "never"), "--listen", "127.0.0.1:0"];
  for (const [option, value] of [
    ["--shutdown-grace", "soon"],
    ["--shutdown-grace", "-1"],
    ["--max-connections", "0"],
    ["--log-format", "xml"],
    ["--metrics", "9464"],
  ] as const) {
    const { code } = await world.run([...serve, `${option}=${value}`]);
    expect([option, value, code]).toEqual([option, value, 2]);
  }
});
