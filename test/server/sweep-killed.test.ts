import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { openDirectoryStore } from "../../src/stores/directory.ts";
import { diskPath } from "../../src/stores/disk-name.ts";
import { contentOf, namesIn } from "../stores/content.ts";
import { temporaryFolder } from "../support/server.ts";
import { filesBelow } from "./support/stored.ts";

const PROCESS = fileURLToPath(new URL("support/sweeping-process.ts", import.meta.url));
const DAY = 86_400;
const VOLUMES = 10;

const setName = (set: number) => `set${set}-20260101T000000Z.tar.zst.age`;
const volumes = (set: number) =>
  Array.from(
    { length: VOLUMES },
    (_, index) => `${setName(set)}.00${index}${index === VOLUMES - 1 ? ".last" : ""}`,
  );

/** As the store would have written it, without waiting for the disk. */
function place(archives: string, name: string, createtime: number): void {
  const content = contentOf(`content of ${name}`);
  const path = join(archives, ...diskPath(name));
  const meta = join(archives, ".restbackup", "meta", ...diskPath(name));
  for (const folder of [dirname(path), dirname(meta)]) mkdirSync(folder, { recursive: true });
  writeFileSync(path, content.bytes);
  utimesSync(path, createtime, createtime);
  const { size, sha256 } = content;
  writeFileSync(meta, JSON.stringify({ name, size, createtime, sha256 }));
}

async function sweepUntilKilled(dataDir: string, isTime: () => boolean): Promise<void> {
  const child = spawn(process.execPath, [PROCESS, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  await Promise.race([once(createInterface({ input: child.stdout }), "line"), exited]);
  while (child.exitCode === null && !isTime())
    await new Promise((resolve) => setImmediate(resolve));
  child.kill("SIGKILL");
  await exited;
}

test("a sweep that is killed leaves every entry whole or gone, and the next one ends its work", async () => {
  const dataDir = temporaryFolder("sweep-killed");
  const { username } = await createAccount(dataDir, { retentionDays: 30 });
  const archives = join(dataDir, "archives", username);
  const now = Math.floor(Date.now() / 1000);
  const long = "%".repeat(200);
  const old = [
    ...Array.from({ length: 300 }, (_, index) =>
      index % 2 === 0 ? `old${index}` : `${long}${index}`,
    ),
    ...Array.from({ length: 100 }, (_, index) => `folder${index % 7}/${long}${index}`),
    ...Array.from({ length: 20 }, (_, set) => volumes(set)).flat(),
  ];
  const fresh = Array.from({ length: 50 }, (_, index) => `folder${index % 7}/${long}fresh${index}`);
  let cutShort = 0;
  for (let round = 0; round < 4; round += 1) {
    for (const name of old) place(archives, name, now - 31 * DAY);
    for (const name of fresh) place(archives, name, now);
    const present = () => readdirSync(archives).length;
    // Of the 300 single files, or of the 200 volumes, which come last.
    const limit = round % 2 === 0 ? randomInt(210, 505) : randomInt(10, 200);
    await sweepUntilKilled(dataDir, () => present() <= limit);

    const store = await openDirectoryStore(archives, { create: true });
    expect(readdirSync(store.spool)).toEqual([]);
    const names = await namesIn(store);
    expect(names).toEqual(expect.arrayContaining(fresh));
    if (names.length > fresh.length) cutShort += 1;
    for (const name of names) {
      const { size, sha256 } = contentOf(`content of ${name}`);
      expect(await store.stat(name)).toMatchObject({ name, size, sha256 });
    }
    for (let set = 0; set < 20; set += 1) {
      const left = names.filter((name) => name.startsWith(setName(set)));
      if (left.some((name) => name.endsWith(".last"))) expect(left).toHaveLength(VOLUMES);
    }
    await sweepUntilKilled(dataDir, () => false);
    expect(await namesIn(store)).toEqual([...fresh].sort());
    expect(await filesBelow(archives)).toHaveLength(2 * fresh.length + 1);
    expect(readdirSync(archives).sort()).toEqual([
      ".restbackup",
      ...Array.from({ length: 7 }, (_, index) => `folder${index}.d`),
    ]);
  }
  // Otherwise all were done before they were killed, and this test shows nothing.
  expect(cutShort).toBeGreaterThanOrEqual(2);
  rmSync(dataDir, { recursive: true });
});
