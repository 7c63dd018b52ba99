import { readdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { changeAccount } from "../../src/server/account-changes.ts";
import { Usage } from "../../src/server/usage.ts";
import type { StoredEntry } from "../../src/stores/store.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { storeAt } from "./support/stored.ts";

let server: TestServer;
let authorization: string;
beforeAll(async () => {
  server = await startServer();
  authorization = `Basic ${Buffer.from(`${server.username}:${server.password}`).toString("base64")}`;
});
afterAll(async () => await server.close());
beforeEach(
  async () => await changeAccount(server.dataDir, server.username, { quotaBytes: "none" }),
);

async function put(name: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}${name}`, {
    method: "PUT",
    headers: { authorization, ...headers },
    body,
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** A PUT of which only the header was sent yet. */
function beginPut(name: string, size: number) {
  const upload = request(`${server.url}${name}`, {
    method: "PUT",
    headers: { authorization, "content-length": size, expect: "100-continue" },
  });
  const status = new Promise<number>((resolve, reject) => {
    upload.on("response", (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    upload.on("error", reject);
  });
  const goesOn = new Promise<"go on">((resolve) => upload.on("continue", () => resolve("go on")));
  upload.flushHeaders();
  return { upload, status, answer: Promise.race([goesOn, status]) };
}

describe("an account's quota", () => {
  test("counts what is there already, and refuses what does not fit in words", async () => {
    const { username, dataDir, archives } = server;
    // Counted when the first upload under a quota comes, not by the server that stored it.
    await storeAt(archives, Math.floor(Date.now() / 1000), { "a/before": "x".repeat(600) });
    await changeAccount(dataDir, username, { quotaBytes: 1000 });
    const refused = await put("over", "x".repeat(401));
    expect(refused.status).toBe(413);
    expect(refused.text).toMatch(/^The account may store 1000 B and has 600 B.*401 B.*\n$/);
    const json = await put("over", "x".repeat(401), { accept: "application/json" });
    expect(JSON.parse(json.text)).toMatchObject({ status: 413, detail: refused.text.trim() });
    expect((await put("fits", "x".repeat(400))).status).toBe(201);
    expect((await put("one-more", "x")).status).toBe(413);
    expect((await put("empty", "")).status).toBe(201);
    expect((await put("fits", "y")).status).toBe(405);
    expect(readdirSync(join(archives, ".restbackup", "tmp"))).toEqual([]);
    await changeAccount(dataDir, username, { quotaBytes: 1001 });
    expect((await put("one-more", "x")).status).toBe(201);
    await changeAccount(dataDir, username, { quotaBytes: "none" });
    expect((await put("many-more", "x".repeat(5000))).status).toBe(201);
  });

  test("counts uploads under way, so that of two only one passes, and gives up what fails", async () => {
    const stored = 600 + 400 + 0 + 1 + 5000;
    await changeAccount(server.dataDir, server.username, { quotaBytes: stored + 1000 });
    const first = beginPut("first", 700);
    expect(await first.answer).toBe("go on");
    const second = beginPut("second", 700);
    // Refused by its header: the client need not send the body.
    expect(await second.answer).toBe(413);
    first.upload.destroy();
    await first.status.catch(() => {});
    await expect
      .poll(async () => (await put("third", "x".repeat(700))).status, { timeout: 5000 })
      .toBe(201);
    const many = Array.from({ length: 20 }, (_, index) => put(`many${index}`, "x".repeat(100)));
    const statuses = (await Promise.all(many)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(3);
    expect(statuses.filter((status) => status === 413)).toHaveLength(17);
    rmSync(join(server.archives, "third"));
  });
});

describe("the bytes an account stores", () => {
  const entry = (name: string, size: number): StoredEntry => ({ name, size, createtime: 0 });
  const isFull = async (usage: Usage, quota: number) =>
    await usage
      .reserve({ name: "probe", size: 1 }, quota, () => (async function* () {})())
      .then(
        (reservation) => {
          reservation.release(false);
          return false;
        },
        () => true,
      );

  test("are counted once for many uploads at once, whenever they end", async () => {
    const usage = new Usage();
    let lists = 0;
    const list = async function* () {
      lists += 1;
      yield entry("old", 10);
      // Stored before the count and told of after it: it must count once.
      yield entry("early", 5);
      early.release(true);
      await new Promise((resolve) => setImmediate(resolve));
      yield entry("older", 20);
    };
    const early = await usage.reserve(entry("early", 5), undefined, list);
    const others = await Promise.all(
      ["a", "b"].map((name) => usage.reserve(entry(name, 1), 1000, list)),
    );
    expect(lists).toBe(1);
    for (const other of others) other.release(true);
    expect(await isFull(usage, 37)).toBe(true);
    expect(await isFull(usage, 38)).toBe(false);
  });

  test("are corrected by each count of a sweep, also for uploads that go on meanwhile", async () => {
    const usage = new Usage();
    await usage.reserve(entry("x", 1), 1000, async function* () {
      yield entry("deleted", 500);
    });
    const during = await usage.reserve(entry("during", 7), 1000, () => expect.fail());
    const count = usage.startCount();
    count.add(entry("kept", 100));
    count.add(entry("during", 7));
    during.release(true);
    const later = await usage.reserve(entry("later", 3), 1000, () => expect.fail());
    count.add(entry("later", 3));
    count.finish();
    later.release(true);
    // 100 + 7 + 3 are stored, 1 is on its way.
    expect(await isFull(usage, 111)).toBe(true);
    expect(await isFull(usage, 112)).toBe(false);
  });

  test("are counted again after a count that failed", async () => {
    const usage = new Usage();
    const failing = usage.reserve(entry("x", 1), 1000, () => {
      throw new Error("disk");
    });
    await expect(failing).rejects.toThrow("disk");
    const list = async function* () {
      yield entry("there", 1000);
    };
    const refused = usage.reserve(entry("x", 1), 1000, list);
    await expect(refused).rejects.toMatchObject({ status: 413 });
  });
});
