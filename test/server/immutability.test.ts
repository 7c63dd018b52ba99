import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { startServerProcess, type TestServer, temporaryFolder } from "../support/server.ts";
import { listed, send, sha256Of } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { seededBytes } from "./support/seeded.ts";

/** Puts all contents to one name at once, over the servers in turn; gives the one that won. */
async function race(
  servers: readonly TestServer[],
  name: string,
  contents: readonly Buffer[],
): Promise<Buffer> {
  const replies = await Promise.all(
    contents.map((body, index) =>
      send(servers[index % servers.length]!, "PUT", `/${name}`, { body }),
    ),
  );
  const winners = contents.filter((_, index) => replies[index]!.status === 201);
  expect(winners).toHaveLength(1);
  const others = replies.filter(({ status }) => status !== 201);
  expect(new Set(others.map(({ status }) => status))).toEqual(new Set([405]));
  for (const { headers, body } of others) {
    expect(headers.allow).toBe("GET, HEAD");
    expect(body.toString()).toContain("already stored");
  }
  return winners[0]!;
}

async function expectStored(server: TestServer, name: string, content: Buffer): Promise<void> {
  const { status, headers, body } = await send(server, "GET", `/${name}`);
  expect(status).toBe(200);
  expect(sha256Of(body)).toBe(sha256Of(content));
  expect(headers.etag).toBe(`"${sha256Of(content)}"`);
  expect(readFileSync(join(server.archives, name)).equals(content)).toBe(true);
  expect((await listed(server)).get(name)).toEqual(
    expect.objectContaining({ size: content.length }),
  );
}

describe("of many uploads to one name at once", () => {
  test("exactly one of 200 with different content gets 201, the others 405, and it is the winner's", async () => {
    const server = await startServerProcess();
    const contents = Array.from({ length: 200 }, (_, index) =>
      seededBytes(`content ${index}`, 20_000 + index),
    );
    const winner = await race([server], "contested", contents);
    await expectStored(server, "contested", winner);
    expect(litterIn(server.dataDir)).toEqual([]);
    await server.close();
  });

  test("exactly one of 200 with equal content gets 201", async () => {
    const server = await startServerProcess();
    const content = seededBytes("equal", 30_000);
    await race([server], "equal", Array(200).fill(content) as Buffer[]);
    await expectStored(server, "equal", content);
    expect(litterIn(server.dataDir)).toEqual([]);
    await server.close();
  });

  test("one wins also across two server processes on one data folder", async () => {
    const dataDir = temporaryFolder("shared");
    const account = await createAccount(dataDir, { retentionDays: 30 });
    const one = await startServerProcess({ dataDir, account });
    const other = await startServerProcess({ dataDir, account });
    for (let round = 0; round < 10; round += 1) {
      const contents = Array.from({ length: 20 }, (_, index) =>
        seededBytes(`round ${round} content ${index}`, 20_000),
      );
      const winner = await race([one, other], `contested-${round}`, contents);
      await expectStored(one, `contested-${round}`, winner);
      await expectStored(other, `contested-${round}`, winner);
    }
    await one.close();
    await other.close();
    expect(litterIn(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });
});

test("a server that starts leaves alone what another one on its data folder is receiving", async () => {
  const dataDir = temporaryFolder("shared");
  const account = await createAccount(dataDir, { retentionDays: 30 });
  const one = await startServerProcess({ dataDir, account });
  const contents = Array.from({ length: 30 }, (_, index) => seededBytes(`${index}`, 500_000));
  const uploads = contents.map((body, index) => send(one, "PUT", `/during-${index}`, { body }));
  const other = await startServerProcess({ dataDir, account });
  for (const { status } of await Promise.all(uploads)) expect(status).toBe(201);
  for (const [index, content] of contents.entries()) {
    await expectStored(other, `during-${index}`, content);
  }
  await one.close();
  await other.close();
  expect(litterIn(dataDir)).toEqual([]);
  await rm(dataDir, { recursive: true });
});

test("uploads to a name that is being read do not change what its readers get", async () => {
  const server = await startServerProcess();
  const content = seededBytes("first", 30_000_000);
  expect((await send(server, "PUT", "/read", { body: content })).status).toBe(201);
  const reading = Array.from({ length: 4 }, () => send(server, "GET", "/read"));
  for (let index = 0; index < 50; index += 1) {
    const body = seededBytes(`intruder ${index}`, 1000);
    expect((await send(server, "PUT", "/read", { body })).status).toBe(405);
  }
  for (const { body } of await Promise.all(reading)) {
    expect(sha256Of(body)).toBe(sha256Of(content));
  }
  await expectStored(server, "read", content);
  await server.close();
});
