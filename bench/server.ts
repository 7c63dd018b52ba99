import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createAccount } from "../src/server/accounts.ts";
import { makeEntries } from "../test/server/support/many-entries.ts";
import { memoryOf } from "../test/server/support/process-figures.ts";
import { type TimedListing, timedListing } from "../test/server/support/timed-listing.ts";
import { runLoad } from "./load.ts";
import { startNginx } from "./nginx.ts";

/**
 * Throughput of the server beside nginx: uploads against WebDAV PUT, which syncs nothing, downloads
 * against static files by sendfile. One generator loads both, in turn, in one run, on one disk. As
 * uploads here are on the disk when they are answered, it is also said how fast nginx is when the
 * time counts that a sync takes afterwards. Then the listing of a large account.
 *
 *     nice -n -20 npm run bench:server -- [--rounds 3] [--folder DIR] [--sizes 1,64] \
 *       [--clients 1,8,64] [--protocols http,https] [--directions upload,download] \
 *       [--entries 100000] \
 *       [--cli dist/cli.js] [--output FILE]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    folder: { type: "string", default: tmpdir() },
    sizes: { type: "string", default: "1,64" },
    clients: { type: "string", default: "1,8,64" },
    protocols: { type: "string", default: "http,https" },
    directions: { type: "string", default: "upload,download" },
    entries: { type: "string", default: "100000" },
    cli: { type: "string", default: fileURLToPath(new URL("../dist/cli.js", import.meta.url)) },
    output: { type: "string" },
  },
});
const MIB = 2 ** 20;
const PREFIX = "bench-";

type Protocol = "http" | "https";
type Direction = "upload" | "download";

interface Rival {
  readonly ports: Readonly<Record<Protocol, number>>;
  readonly credentials: string | null;
  /** Removes what was uploaded. */
  clear(): void;
}

const work = mkdtempSync(join(values.folder, "restbackup-bench-"));
const tls = makeCertificate();
const dataDir = join(work, "data");
const account = await createAccount(dataDir, { retentionDays: 30 });
const servers = { http: await startOurs("http"), https: await startOurs("https") };
const nginx = await startNginx(mkdirIn("nginx"), { cert: tls.cert, key: tls.key });
const ours: Rival = {
  ports: { http: servers.http.port, https: servers.https.port },
  credentials: `${account.username}:${account.password}`,
  clear() {
    const archives = join(dataDir, "archives", account.username);
    for (const folder of [archives, join(archives, ".restbackup", "meta")]) clearFolder(folder);
  },
};
const theirs: Rival = {
  ports: nginx.ports,
  credentials: null,
  clear: () => clearFolder(nginx.root),
};

const rows: string[] = [];
let listing = "";
try {
  for (const size of numbers(values.sizes)) {
    const file = makeFile(size * MIB);
    await load(ours, { size, file, protocol: "http", direction: "upload", clients: 1 }, [
      "/download",
    ]);
    copyFileSync(file, join(nginx.root, "download"));
    for (const protocol of values.protocols.split(",") as Protocol[]) {
      for (const direction of values.directions.split(",") as Direction[]) {
        for (const clients of numbers(values.clients)) {
          await compare({ size, file, protocol, direction, clients });
        }
      }
    }
    // Readable under the same name for the next size.
    const archives = join(dataDir, "archives", account.username);
    rmSync(join(archives, "download"));
    rmSync(join(archives, ".restbackup", "meta", "download"));
  }
  listing = await measureListing(Number(values.entries));
} finally {
  const peaks = { http: servers.http.peakRss(), https: servers.https.peakRss() };
  for (const server of Object.values(servers)) await server.stop();
  await nginx.stop();
  rmSync(work, { recursive: true, force: true });
  report(peaks);
}

interface Case {
  /** MiB. */
  readonly size: number;
  readonly file: string;
  readonly protocol: Protocol;
  readonly direction: Direction;
  readonly clients: number;
}

async function compare(one: Case): Promise<void> {
  const { size, protocol, direction, clients } = one;
  const count = Math.max(clients, size === 1 ? 256 : 8);
  const synced: number[] = [];
  const run = async (rival: Rival): Promise<number> => {
    // What the other one left to be written must not be waited for here.
    execFileSync("sync");
    const paths = Array.from({ length: count }, (_, index) =>
      direction === "upload" ? `/${PREFIX}${index}` : "/download",
    );
    const seconds = await load(rival, one, paths);
    const rate = (time: number) => (count * size * MIB) / time / 1e6;
    if (direction === "upload" && rival === theirs) {
      const start = performance.now();
      execFileSync("sync");
      synced.push(rate(seconds + (performance.now() - start) / 1000));
    }
    rival.clear();
    return rate(seconds);
  };
  const rates: { ours: number[]; nginx: number[] } = { ours: [], nginx: [] };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // Each goes first in turn.
    for (const rival of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
      rates[rival === ours ? "ours" : "nginx"].push(await run(rival));
    }
  }
  const [a, b] = [median(rates.ours), median(rates.nginx)];
  const row = [direction, protocol.toUpperCase(), `${size} MiB`, clients, a.toFixed(0)];
  row.push(b.toFixed(0), (a / b).toFixed(2));
  const c = synced.length === 0 ? undefined : median(synced);
  row.push(...(c === undefined ? ["", ""] : [c.toFixed(0), (a / c).toFixed(2)]));
  rows.push(`| ${row.join(" | ")} |`);
  console.error(rows.at(-1));
}

async function load(rival: Rival, one: Case, paths: readonly string[]): Promise<number> {
  const { size, file, protocol, direction, clients } = one;
  return await runLoad({
    ...{ direction, clients, paths, file },
    size: size * MIB,
    port: rival.ports[protocol],
    tls: protocol === "https",
    credentials: rival.credentials,
    caFile: tls.cert,
  });
}

function report(peaks: Record<Protocol, number>): void {
  const text = `Machine: ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}, Node ${process.versions.node}. ${values.rounds} rounds, medians, in MB (10^6) a second.

| direction | protocol | size | clients | restbackup | nginx | ratio | nginx, then sync | ratio |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join("\n")}

Peak RSS of restbackup: ${(peaks.http / MIB).toFixed(0)} MiB over HTTP, ${(peaks.https / MIB).toFixed(0)} MiB over HTTPS.

${listing}
`;
  console.log(`\n${text}`);
  if (values.output !== undefined) writeFileSync(values.output, text);
}

/** A listing of an account with so many entries, by a server that does nothing else. */
async function measureListing(entries: number): Promise<string> {
  makeEntries(join(dataDir, "archives", account.username), entries);
  const server = await startOurs("http");
  const before = server.peakRss();
  const times: TimedListing[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    times.push(await timedListing({ port: server.port, ...account }));
  }
  const peak = server.peakRss();
  await server.stop();
  const milliseconds = (key: "firstByte" | "whole") =>
    median(times.map((time) => time[key])).toFixed(0);
  return `Listing of ${times[0]!.entries} entries: first byte after ${milliseconds("firstByte")} ms, whole after ${milliseconds("whole")} ms; peak RSS ${(before / MIB).toFixed(0)} MiB before, ${(peak / MIB).toFixed(0)} MiB after ${times.length} listings.`;
}

/** The server as its operator starts it, without a line in the log for each request. */
async function startOurs(protocol: Protocol) {
  const child = spawn(
    process.execPath,
    [
      ...[values.cli, "serve", "--quiet", "--data", dataDir, "--listen", "127.0.0.1:0", "--json"],
      ...(protocol === "https" ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : []),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { url } = JSON.parse(line as string) as { url: string };
  return {
    port: Number(new URL(url).port),
    peakRss: () => memoryOf(child.pid!, "peak"),
    async stop(): Promise<void> {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function makeCertificate(): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(work, "cert.pem"), join(work, "key.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
    ],
    { stdio: "pipe" },
  );
  return { cert, key };
}

function makeFile(bytes: number): string {
  const path = join(work, `file-${bytes}`);
  const file = openSync(path, "w");
  for (let at = 0; at < bytes; at += MIB) writeSync(file, randomBytes(MIB));
  closeSync(file);
  return path;
}

function clearFolder(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(PREFIX)) rmSync(join(folder, name));
  }
}

function mkdirIn(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function numbers(list: string): number[] {
  return list.split(",").map(Number);
}

function median(rates: readonly number[]): number {
  const sorted = [...rates].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
