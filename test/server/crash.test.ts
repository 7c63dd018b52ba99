import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { linkSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { openDirectoryStore } from "../../src/stores/directory.ts";
import { openStore } from "../../src/stores/open.ts";
import { contentOf, namesIn, randomContent, readAll } from "../stores/content.ts";
import { startServer, startServerProcess, temporaryFolder } from "../support/server.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function newFolder(label: string): string {
  const folder = temporaryFolder(label);
  folders.push(folder);
  return folder;
}

const retry = { retries: 0, firstDelay: 1 };

describe("a server that is killed", () => {
  test("in the middle of an upload leaves no entry, and no litter once it runs again", async () => {
    const dataDir = newFolder("killed");
    const server = await startServerProcess({ dataDir });
    const basic = Buffer.from(`${server.username}:${server.password}`).toString("base64");
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(
      `PUT /half HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\nContent-Length: 9000000\r\n\r\n`,
    );
    socket.write(Buffer.alloc(5_000_000));
    const spool = join(server.archives, ".restbackup", "tmp");
    const received = () => readdirSync(spool).map((name) => statSync(join(spool, name)).size);
    await expect.poll(() => received()[0] ?? 0, { timeout: 10_000 }).toBeGreaterThan(1_000_000);
    await server.kill();
    socket.destroy();
    expect(received()).toHaveLength(1);
    const again = await startServerProcess({ dataDir });
    expect(readdirSync(spool)).toEqual([]);
    const store = await openStore(again.accessUrl, { retry });
    const old = await openStore(
      again.url.replace("://", `://${server.username}:${server.password}@`),
      { retry },
    );
    expect(await namesIn(old)).toEqual([]);
    const content = contentOf("whole");
    await old.put("half", content);
    expect((await readAll(old.get("half"))).toString()).toBe("whole");
    await old.close();
    await store.close();
    await again.close();
  });

  test("at any moment of many uploads keeps what it confirmed, whole, and nothing in parts", async () => {
    const dataDir = newFolder("killed-often");
    for (let round = 0; round < 4; round += 1) {
      const server = await startServerProcess({ dataDir });
      const store = await openStore(server.accessUrl, { retry });
      const contents = Array.from({ length: 60 }, () => randomContent(randomInt(200_000)));
      const confirmed = new Set<number>();
      const puts = contents.map(async (content, index) => {
        await store.put(`entry-${index}`, content);
        confirmed.add(index);
      });
      const settled = Promise.allSettled(puts);
      await sleep(randomInt(30, 250));
      const before = [...confirmed];
      await server.kill();
      await settled;
      await store.close();
      const archives = await openDirectoryStore(server.archives, { create: true });
      const names = await namesIn(archives);
      for (const index of before) expect(names).toContain(`entry-${index}`);
      for (const name of names) {
        const content = contents[Number(name.replace("entry-", ""))]!;
        expect((await readAll(archives.get(name))).equals(content.bytes)).toBe(true);
        expect(await archives.stat(name)).toMatchObject({ sha256: content.sha256 });
      }
      expect(readdirSync(archives.spool)).toEqual([]);
    }
  });
});

describe("recovery", () => {
  /** The process id of a process that has ended. */
  const deadPid = () => spawnSync(process.execPath, ["--version"]).pid;

  /** Temporary files as a writer of this host would have named them. */
  async function namesOfWriter(pid: number): Promise<{ data: string; meta: string }> {
    const { temporaryName } = await import("../../src/stores/temporary-files.ts");
    const data = temporaryName("data").replace(/\.\d+\.[0-9a-f]+\./, `.${pid}.0badcafe.`);
    return { data, meta: data.replace(/data$/, "meta") };
  }

  test("finishes a commit whose object was in place, also one whose path is a hash", async () => {
    const root = newFolder("recover");
    await openDirectoryStore(root, { create: true });
    const spool = join(root, ".restbackup", "tmp");
    const name = `${"%".repeat(200)}`;
    const { sha256 } = contentOf("hello");
    const { data, meta } = await namesOfWriter(deadPid());
    writeFileSync(join(spool, data), "hello");
    utimesSync(join(spool, data), 1_700_000_000, 1_700_000_000);
    writeFileSync(
      join(spool, meta),
      JSON.stringify({ name, size: 5, createtime: 1_700_000_000, sha256 }),
    );
    const { diskPath } = await import("../../src/stores/disk-name.ts");
    linkSync(join(spool, data), join(root, ...diskPath(name)));
    const store = await openDirectoryStore(root, { create: true });
    expect(readdirSync(spool)).toEqual([]);
    expect(await namesIn(store)).toEqual([name]);
    expect(await store.stat(name)).toEqual({ name, size: 5, createtime: 1_700_000_000, sha256 });
  });

  test("does not take a writer's record for an object that is another's", async () => {
    const root = newFolder("recover");
    const first = await openDirectoryStore(root, { create: true });
    const { createtime } = await first.put("a", contentOf("theirs"));
    // Same name, size and time: only the digest would be wrong, and nobody would notice.
    const { data, meta } = await namesOfWriter(deadPid());
    writeFileSync(join(first.spool, data), "loser!");
    const { sha256 } = contentOf("loser!");
    writeFileSync(
      join(first.spool, meta),
      JSON.stringify({ name: "a", size: 6, createtime, sha256 }),
    );
    const store = await openDirectoryStore(root, { create: true });
    expect(readdirSync(store.spool)).toEqual([]);
    expect(await store.stat("a")).toMatchObject({ sha256: contentOf("theirs").sha256 });
  });

  test("leaves alone what living writers, and for a day other hosts, are writing", async () => {
    const root = newFolder("recover");
    const { spool } = await openDirectoryStore(root, { create: true });
    const living = await namesOfWriter(process.ppid);
    const dead = await namesOfWriter(deadPid());
    const young = "0123456789ab.1.0badcafe.1.data";
    const old = "0123456789ab.1.0badcafe.2.data";
    for (const name of [living.data, dead.data, young, old, "prepared"])
      writeFileSync(join(spool, name), "");
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    utimesSync(join(spool, old), twoDaysAgo, twoDaysAgo);
    mkdirSync(join(spool, "young-folder"));
    await openDirectoryStore(root, { create: true });
    expect(readdirSync(spool).sort()).toEqual(
      [living.data, young, "prepared", "young-folder"].sort(),
    );
  });
});

describe("an account with 100,000 entries", () => {
  test("is listed whole, in a stream and in bounded memory", async () => {
    const server = await startServer();
    const count = 100_000;
    for (let index = 0; index < count; index += 1) {
      writeFileSync(join(server.archives, `site-${index}-20261123T094012Z.tar.zst.age`), "");
    }
    const store = await openStore(server.accessUrl, { retry });
    // What is held meanwhile, on both sides, is seen at its greatest while entries arrive.
    const before = process.memoryUsage().rss;
    let most = 0;
    let listed = 0;
    for await (const { name } of store.list()) {
      if (!name.startsWith("site-")) expect.fail(name);
      listed += 1;
      if (listed % 5000 === 0) most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(listed).toBe(count);
    expect(most).toBeLessThan(150 * 1024 * 1024);
    await store.close();
    await server.close();
  });
});
