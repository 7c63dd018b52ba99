import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { generateIdentity } from "../src/encryption/keys.ts";
import { startServerProcess } from "../test/support/server.ts";
import { makeBigFiles, makeSmallFiles } from "./data.ts";
import { type Measured, measure } from "./measure.ts";

/**
 * Backup and restore through `dist`, beside the shell pipeline a user would write, round by round
 * in one run. What counts are the ratios of the medians; the seconds depend on the machine.
 *
 *     npm run bench -- [--rounds 3] [--files 69000] [--big 4G-in-bytes] [--folder DIR] [--output FILE]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    files: { type: "string", default: "69000" },
    big: { type: "string", default: String(4 * 2 ** 30) },
    folder: { type: "string", default: tmpdir() },
    output: { type: "string" },
  },
});

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const work = mkdtempSync(join(values.folder, "restbackup-bench-"));
const keyFile = join(work, "key.txt");
const { identity, recipient } = await generateIdentity();
writeFileSync(keyFile, `${identity}\n`, { mode: 0o600 });
const server = await startServerProcess({ tls: true, dataDir: mkdirIn("server") });
const rows: string[] = [];

try {
  makeSmallFiles(mkdirIn("small"), Number(values.files));
  await compare("small", `${values.files} small files`);
  makeBigFiles(mkdirIn("big"), Number(values.big));
  await compare(
    "big",
    `${(Number(values.big) / 2 ** 30).toFixed(1)} GiB in three files, half random`,
  );
} finally {
  await server.close();
  rmSync(work, { recursive: true, force: true });
}

const report = `Machine: ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}, Node ${process.versions.node}. ${values.rounds} rounds, medians.

| work | ours | beside | seconds | ratio | our peak RSS | archive size ratio |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
console.log(`\n${report}`);
if (values.output !== undefined) writeFileSync(values.output, report);

async function compare(tree: string, label: string): Promise<void> {
  const source = join(work, tree);
  const pipeline = join(work, `${tree}.tar.zst.age`);
  const stores = { folder: pathToFileURL(mkdirIn(`store-${tree}`)).href, https: server.accessUrl };
  const tar = `tar c -C '${source}' . | zstd -q -3 -T0 | age -r ${recipient} > '${pipeline}'`;
  // The url with its password goes in by standard input, as a careful user would have it.
  const curl = (round: number, options = ""): string =>
    `curl -sf --cacert '${server.caFile}' ${options} -K - <<< 'url = "${server.accessUrl}${tree}-${round}.age"'`;
  const untar = `age -d -i '${keyFile}' < '${pipeline}' | zstd -q -d | tar x`;
  const runs: Record<string, Measured[]> = {};
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [kind, store] of Object.entries(stores)) {
      await into(runs, `backup ${kind}`, restbackup(store, ["backup", source, "--name", tree]));
      const upload = kind === "folder" ? tar : `${tar} && ${curl(round, `-T '${pipeline}'`)}`;
      await into(runs, `pipeline ${kind}`, measure("bash", ["-ec", upload]));
      await inNewFolder((out) =>
        into(runs, `restore ${kind}`, restbackup(store, ["restore", "--name", tree, "--to", out])),
      );
      if (kind === "folder") {
        await inNewFolder((out) => {
          mkdirSync(out);
          return into(runs, "untar folder", measure("bash", ["-ec", untar], { cwd: out }));
        });
      } else {
        const fetchIt = `${curl(round)} | age -d -i '${keyFile}' | zstd -q -d | tar x`;
        await inNewFolder((out) => {
          mkdirSync(out);
          return into(runs, "untar https", measure("bash", ["-ec", fetchIt], { cwd: out }));
        });
      }
    }
    console.error(`${label}: round ${round + 1} of ${values.rounds} done`);
  }
  const ours = sizeOf(join(work, `store-${tree}`)) / Number(values.rounds);
  const size = (ours / statSync(pipeline).size).toFixed(3);
  row(
    label,
    "backup to a folder",
    "tar, zstd -3 -T0, age",
    runs,
    "backup folder",
    "pipeline folder",
    size,
  );
  row(
    label,
    "backup over HTTPS",
    "the same, then curl -T",
    runs,
    "backup https",
    "pipeline https",
    size,
  );
  row(
    label,
    "restore from a folder",
    "age -d, zstd -d, tar x",
    runs,
    "restore folder",
    "untar folder",
    "",
  );
  row(
    label,
    "restore over HTTPS",
    "curl, age -d, zstd -d, tar x",
    runs,
    "restore https",
    "untar https",
    "",
  );
}

function row(
  label: string,
  what: string,
  beside: string,
  runs: Record<string, Measured[]>,
  ours: string,
  theirs: string,
  size: string,
): void {
  const a = median(runs[ours]!.map(({ seconds }) => seconds));
  const b = median(runs[theirs]!.map(({ seconds }) => seconds));
  const rss = Math.max(...runs[ours]!.map(({ peakRss }) => peakRss)) / 2 ** 20;
  rows.push(
    `| ${label} | ${what} | ${beside} | ${a.toFixed(2)} / ${b.toFixed(2)} | ${(a / b).toFixed(2)} | ${rss.toFixed(0)} MiB | ${size} |`,
  );
}

async function into(
  runs: Record<string, Measured[]>,
  name: string,
  run: Promise<Measured>,
): Promise<void> {
  const measured = await run;
  if (measured.code !== 0) throw new Error(`${name} failed: ${measured.stderr}`);
  runs[name] = [...(runs[name] ?? []), measured];
}

function restbackup(store: string, args: readonly string[]): Promise<Measured> {
  return measure(process.execPath, [CLI, ...args, "--quiet"], {
    env: {
      ...process.env,
      RESTBACKUP_ACCESS_URL: store,
      RESTBACKUP_KEY: identity,
      NODE_EXTRA_CA_CERTS: server.caFile,
    },
  });
}

async function inNewFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const out = join(work, "out");
  await use(out);
  execFileSync("rm", ["-rf", out]);
}

function mkdirIn(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    const stat = statSync(join(folder, name));
    return stat.isFile() ? sum + stat.size : sum;
  }, 0);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
