import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeBigFiles } from "../../bench/data.ts";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { restbackup, stockRestore } from "../support/dist.ts";
import { startServerProcess, type TestServerProcess } from "../support/server.ts";

// Issue "path", 2: real trees, through the built dist, over HTTPS to a server process, restored by
// us and by stock tools alone.

let server: TestServerProcess;
let work: string;
let identity: string;
let keyFile: string;

beforeAll(async () => {
  server = await startServerProcess({ tls: true, built: true });
  work = mkdtempSync(join(tmpdir(), "restbackup-test-trees-"));
  ({ identity } = await generateIdentity());
  keyFile = join(work, "key.txt");
  writeFileSync(keyFile, `${identity}\n`, { mode: 0o600 });
});

afterAll(async () => {
  await server.close();
  rmSync(work, { recursive: true, force: true });
});

/**
 * One line for every entry: type, mode, size, links, time to the nanosecond, path, link target;
 * then the digest of every file. Made by stock tools, so that nothing of ours compares itself.
 */
function inventory(folder: string): string {
  const script = `
    find . -printf '%y %m %s %n %T@ %p -> %l\\n' | sed -E 's/^d ([0-9]+) [0-9]+ [0-9]+/d \\1/' | LC_ALL=C sort
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`;
  const text = execFileSync("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 30,
    encoding: "utf8",
  });
  return text;
}

async function roundTrip(tree: string, name: string, extra: readonly string[] = []): Promise<void> {
  const before = inventory(tree);
  const saved = await restbackup(server, identity, [
    "backup",
    tree,
    "--name",
    name,
    "--json",
    ...extra,
  ]);
  expect(saved.stderr).toBe("");
  expect(saved.code).toBe(0);
  const { entry } = JSON.parse(saved.stdout) as { entry: string };

  const ours = join(work, `${name}-ours`);
  const restored = await restbackup(server, identity, ["restore", entry, "--to", ours, "--quiet"]);
  expect(restored.stderr).toBe("");
  expect(restored.code).toBe(0);
  expectAlike(inventory(ours), before);
  rmSync(ours, { recursive: true, force: true });

  const stock = join(work, `${name}-stock`);
  mkdirSync(stock);
  const unpacked = await stockRestore(server, { entry, keyFile, to: stock });
  expect(unpacked.stderr).toBe("");
  expect(unpacked.code).toBe(0);
  expect(inventory(stock) === before, "stock tools restored it identical, to the nanosecond").toBe(
    true,
  );
  rmSync(stock, { recursive: true, force: true });

  console.log(
    `${name}: peak RSS ${mebibytes(saved.peakRss)} MiB on backup, ${mebibytes(restored.peakRss)} MiB on restore`,
  );
}

const TIME = / (\d+)\.(\d{9})\d* (?=\.)/;

/** Line by line, with times that may differ by less than a microsecond: Node sets them as doubles. */
function expectAlike(actual: string, expected: string): void {
  const a = actual.split("\n");
  const b = expected.split("\n");
  expect(a.length).toBe(b.length);
  for (const [index, line] of a.entries()) {
    const other = b[index]!;
    if (line === other) continue;
    const [time, wanted] = [line, other].map((text) => {
      const [, seconds, nanoseconds] = TIME.exec(text)!;
      return BigInt(`${seconds}${nanoseconds}`);
    });
    expect(Math.abs(Number(time! - wanted!)), `${line}\nis not\n${other}`).toBeLessThan(1000);
    expect(line.replace(TIME, "")).toBe(other.replace(TIME, ""));
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

test("this checkout with its node_modules comes back identical, by us and by stock tools", async () => {
  const checkout = join(work, "checkout");
  // A copy, since the original changes while tests run in it.
  cpSync(fileURLToPath(new URL("../..", import.meta.url)), checkout, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
  });
  await roundTrip(checkout, "checkout");
  rmSync(checkout, { recursive: true, force: true });
});

test("a tree of 4 GB comes back identical, in volumes, by us and by stock tools", async () => {
  const big = join(work, "big");
  makeBigFiles(big, 4 * 2 ** 30);
  await roundTrip(big, "big");
});
