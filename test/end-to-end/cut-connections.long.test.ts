import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textBlock } from "../../bench/data.ts";
import { generateIdentity, parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import { RestbackupError } from "../../src/errors.ts";
import { backup } from "../../src/operations/backup.ts";
import { listEntries } from "../../src/operations/entries.ts";
import { restore, verify } from "../../src/operations/restore.ts";
import { openStore } from "../../src/stores/open.ts";
import { type Cut, startCuttingProxy } from "../support/cutting-proxy.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { treeOf } from "./tree.ts";

// Issue "path", 5: connections cut at random points, 100 times: every backup ends complete or
// absent, every restore ends identical or absent.

const RUNS = 100;
const TREE_BYTES = 3_000_000;
const RETRY = { retries: 3, firstDelay: 5 };

let server: TestServer;
let work: string;
let tree: string;
let key: SecretKey;

beforeAll(async () => {
  server = await startServer();
  work = mkdtempSync(join(tmpdir(), "restbackup-test-cuts-"));
  tree = join(work, "tree");
  mkdirSync(join(tree, "folder"), { recursive: true });
  writeFileSync(join(tree, "random"), randomBytes(TREE_BYTES));
  writeFileSync(join(tree, "folder", "text"), textBlock(5000, 1));
  for (let i = 0; i < 200; i++)
    writeFileSync(join(tree, "folder", `file-${i}`), `${i}\n`.repeat(i));
  key = await parseKey((await generateIdentity()).identity);
});

afterAll(async () => {
  await server.close();
  rmSync(work, { recursive: true, force: true });
});

/** Cuts the first connections somewhere; or one `among` the first and all after it, so that patience runs out. */
function randomCuts(among: number): (connection: number) => Cut | undefined {
  const forGood = Math.random() < 0.3;
  const turn = Math.floor(Math.random() * among);
  return (connection) => {
    if (forGood ? connection < turn : connection > turn) return undefined;
    const bytes = Math.floor(Math.random() * 1_200_000);
    const how = Math.random() < 0.5 ? "reset" : "close";
    if (forGood && connection > turn) return { afterUp: bytes % 100, how };
    const kind = Math.random();
    if (kind < 0.15) return { swallowAnswer: true, how };
    return kind < 0.6
      ? { afterUp: bytes, how }
      : { afterDown: kind < 0.8 ? bytes % 2000 : bytes, how };
  };
}

test(`after connections cut at random ${RUNS} times, every backup is complete or absent`, async () => {
  const direct = await openStore(server.accessUrl);
  const outcomes = { complete: 0, absent: 0, cut: 0 };
  for (let run = 0; run < RUNS; run++) {
    const proxy = await startCuttingProxy(server.port, randomCuts(5));
    const store = await openStore(proxy.through(server.accessUrl), { retry: RETRY });
    const name = `run${run}`;
    let failure: unknown;
    let stored: string | undefined;
    try {
      stored = (await backup({ store, name, paths: [tree], cwd: "/", key, volumeSize: 2 ** 20 }))
        .entry;
    } catch (error) {
      failure = error;
    }
    await store.close();
    await proxy.close();
    outcomes.cut += proxy.counts.cut;
    const complete = (await listEntries(direct, { name })).filter((entry) => entry.complete);
    if (failure === undefined) {
      expect(complete.map(({ entry }) => entry)).toEqual([stored]);
      outcomes.complete += 1;
    } else {
      expect(failure).toBeInstanceOf(RestbackupError);
      expect((failure as RestbackupError).code).toBe("store-unreachable");
      outcomes.absent += complete.length === 0 ? 1 : 0;
    }
    // Told of success or not: what counts as a backup is whole.
    for (const { entry } of complete) await verify({ store: direct, key, entry });
  }
  await direct.close();
  console.log(`backups: ${JSON.stringify(outcomes)}`);
  expect(outcomes.cut).toBeGreaterThan(RUNS / 2);
  expect(outcomes.complete).toBeGreaterThan(0);
  expect(outcomes.absent).toBeGreaterThan(0);
});

test(`after connections cut at random ${RUNS} times, every restore is identical or absent`, async () => {
  const direct = await openStore(server.accessUrl);
  await backup({ store: direct, name: "whole", paths: [tree], cwd: "/", key, volumeSize: 2 ** 20 });
  await direct.close();
  const original = JSON.stringify(treeOf(tree), jsonBigInt);
  const outcomes = { identical: 0, absent: 0, cut: 0 };
  const target = join(work, "targets", "restored");
  for (let run = 0; run < RUNS; run++) {
    const proxy = await startCuttingProxy(server.port, randomCuts(1));
    const store = await openStore(proxy.through(server.accessUrl), { retry: RETRY });
    try {
      await restore({ store, key, name: "whole", to: target });
      expect(sameButTimes(JSON.stringify(treeOf(target), jsonBigInt), original)).toBe(true);
      outcomes.identical += 1;
    } catch (error) {
      if (!(error instanceof RestbackupError)) throw error;
      expect(error.code).toBe("store-unreachable");
      expect(existsSync(target)).toBe(false);
      outcomes.absent += 1;
    }
    await store.close();
    await proxy.close();
    outcomes.cut += proxy.counts.cut;
    rmSync(target, { recursive: true, force: true });
    // Nothing half-restored beside it either.
    expect(existsSync(join(work, "targets")) ? readdirSync(join(work, "targets")) : []).toEqual([]);
  }
  console.log(`restores: ${JSON.stringify(outcomes)}`);
  expect(outcomes.cut).toBeGreaterThan(RUNS / 2);
  expect(outcomes.identical).toBeGreaterThan(0);
  expect(outcomes.absent).toBeGreaterThan(0);
});

function jsonBigInt(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** Node sets times as floating-point seconds: the last digits of nanoseconds are not compared. */
function sameButTimes(a: string, b: string): boolean {
  const strip = (text: string): string => text.replaceAll(/"mtime":"(\d+)\d{4}"/g, '"mtime":"$1"');
  return strip(a) === strip(b) || withoutTimes(a) === withoutTimes(b);
}

function withoutTimes(text: string): string {
  return text.replaceAll(/"mtime":"\d+"/g, "");
}
