import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startCuttingProxy } from "../test/support/cutting-proxy.ts";
import { textBlock } from "./data.ts";
import { measure } from "./measure.ts";
import type { Bench } from "./programs.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const FILES = 150_000;
const FILE = 10_000;
/** Part of each file that does not compress, so that the archive is not far from 1 GB. */
const NOISE = 5_000;

/**
 * What one file of many costs to read over HTTP: bytes that come through a proxy, for files at the
 * beginning, in the middle and at the end.
 */
export async function measureCat(bench: Bench): Promise<string> {
  const tree = join(bench.work, "many");
  const text = textBlock(1000, 1);
  for (let i = 0; i < FILES; i++) {
    const folder = join(tree, `folder-${Math.floor(i / 500)}`);
    if (i % 500 === 0) mkdirSync(folder, { recursive: true });
    const content = Buffer.concat([
      randomBytes(NOISE),
      text.subarray(i % 1000, FILE - NOISE + (i % 1000)),
    ]);
    writeFileSync(join(folder, `file-${i}`), content);
  }
  const env = {
    ...process.env,
    RESTBACKUP_KEY: bench.identity,
    NODE_EXTRA_CA_CERTS: bench.server.caFile,
  };
  const put = await measure(
    process.execPath,
    [CLI, "backup", tree, "--name", "many", "--quiet", "--json"],
    {
      env: { ...env, RESTBACKUP_ACCESS_URL: bench.server.accessUrl },
    },
  );
  if (put.code !== 0) throw new Error(put.stderr);
  const { entry, size } = JSON.parse(put.stdout) as { entry: string; size: number };
  const rows: string[] = [];
  for (const i of [0, FILES / 2 + 250, FILES - 1]) {
    const path = `folder-${Math.floor(i / 500)}/file-${i}`;
    const proxy = await startCuttingProxy(bench.server.port, () => undefined);
    const { stdout: got } = await promisify(execFile)(process.execPath, [CLI, "cat", entry, path], {
      env: { ...env, RESTBACKUP_ACCESS_URL: proxy.through(bench.server.accessUrl) },
      encoding: "buffer",
    });
    await proxy.close();
    const same = digestOf(got) === digestOf(readFileSync(join(tree, path)));
    if (!same) throw new Error(`cat gave something else for ${path}`);
    rows.push(
      `| \`${path}\` | ${(proxy.counts.down / 1000).toFixed(0)} kB | ${proxy.counts.connections} |`,
    );
  }
  rmSync(tree, { recursive: true });
  return `## One file of ${FILE / 1000} kB from an archive of ${(size / 1e6).toFixed(0)} MB, by \`restbackup cat\` over HTTPS

| file | bytes that came | connections |
| --- | --- | --- |
${rows.join("\n")}
`;
}

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
