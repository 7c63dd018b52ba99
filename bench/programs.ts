import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { TestServerProcess } from "../test/support/server.ts";
import { type Measured, measure } from "./measure.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
/** Of repositories that are thrown away with the bench's folder. */
const PASSWORD = "bench";

/** What is measured: a program doing one piece of work, made ready anew for each round. */
export interface Contender {
  readonly name: string;
  /** Done before the clock starts. */
  readonly prepare?: () => void | Promise<void>;
  readonly run: () => Promise<Measured>;
  /** Which of ours it stands beside, when that is not the first. */
  readonly beside?: number;
  /** Bytes that the work left behind. */
  readonly output?: () => string;
}

export interface Bench {
  /** A folder of the bench's own. */
  readonly work: string;
  readonly server: TestServerProcess;
  readonly identity: string;
  readonly recipient: string;
  readonly keyFile: string;
}

function restbackup(bench: Bench, store: string, args: readonly string[]): Promise<Measured> {
  return measure(process.execPath, [CLI, ...args, "--quiet"], {
    env: {
      ...process.env,
      RESTBACKUP_ACCESS_URL: store,
      RESTBACKUP_KEY: bench.identity,
      // Reading further CAs makes Node start slower: only where one is asked for.
      ...(store === bench.server.accessUrl && { NODE_EXTRA_CA_CERTS: bench.server.caFile }),
    },
  });
}

const shell = (script: string, cwd?: string): Promise<Measured> =>
  measure("bash", ["-ec", `set -o pipefail; ${script}`], cwd === undefined ? {} : { cwd });

/** An empty folder of this name. */
function emptied(bench: Bench, name: string): string {
  const folder = join(bench.work, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
}

/** The url of the account with a path, in a file that curl reads: it holds the password. */
function curlConfig(bench: Bench, name: string): string {
  const file = join(bench.work, "curl.txt");
  writeFileSync(file, `url = "${bench.server.accessUrl}${name}"\n`, { mode: 0o600 });
  return `curl -sf --cacert '${bench.server.caFile}' -K '${file}'`;
}

/**
 * Removes from the server what earlier rounds put there. Gigabytes more in memory in every round would
 * count against whoever makes the system touch memory that it never used before.
 */
function forget(bench: Bench, pattern: RegExp): void {
  const data = join(bench.work, "server");
  for (const path of readdirSync(data, { recursive: true, encoding: "utf8" })) {
    if (pattern.test(basename(path))) rmSync(join(data, path), { force: true });
  }
}

/** Everything that backs a tree up, ours first. */
export function backups(bench: Bench, tree: string): Contender[] {
  const source = join(bench.work, tree);
  const piped = join(bench.work, `${tree}.tar.zst.age`);
  const packed = join(bench.work, `${tree}.tar.zst`);
  const folder = join(bench.work, `store-${tree}`);
  const pipeline = `tar c -C '${source}' . | zstd -q -3 -T0 | age -r ${bench.recipient} > '${piped}'`;
  const uploaded = `${tree}-piped.age`;
  return [
    {
      name: "restbackup, to a folder",
      prepare: () => void emptied(bench, `store-${tree}`),
      run: () => restbackup(bench, pathToFileURL(folder).href, ["backup", source, "--name", tree]),
      output: () => folder,
    },
    {
      name: "restbackup, over HTTPS",
      prepare: () => forget(bench, new RegExp(`^${tree}-\\d{8}T`)),
      run: () => restbackup(bench, bench.server.accessUrl, ["backup", source, "--name", tree]),
    },
    {
      name: "tar | zstd -3 -T0 | age",
      run: () => shell(pipeline),
      output: () => piped,
    },
    {
      name: "the same, then curl -T over HTTPS",
      beside: 1,
      prepare: () => forget(bench, new RegExp(`^${tree}-piped`)),
      run: () => shell(`${pipeline}; ${curlConfig(bench, uploaded)} -T '${piped}'`),
    },
    {
      name: "tar --use-compress-program zstdmt, not encrypted",
      run: () => shell(`tar c -C '${source}' --use-compress-program zstdmt -f '${packed}' .`),
      output: () => packed,
    },
    {
      name: "restic backup, first",
      prepare: async () => {
        const made = await shell(
          `RESTIC_PASSWORD=${PASSWORD} restic init -q -r '${emptied(bench, "restic")}'`,
        );
        if (made.code !== 0) throw new Error(made.stderr);
      },
      run: () =>
        shell(
          `RESTIC_PASSWORD=${PASSWORD} restic backup -q --no-cache -r '${join(bench.work, "restic")}' .`,
          source,
        ),
      output: () => join(bench.work, "restic"),
    },
    {
      name: "borg create, first, zstd 3",
      prepare: async () => {
        const made = await shell(
          `BORG_PASSPHRASE=${PASSWORD} borg init -e repokey-blake2 '${emptied(bench, "borg")}'`,
        );
        if (made.code !== 0) throw new Error(made.stderr);
      },
      run: () =>
        shell(
          `BORG_BASE_DIR='${bench.work}' BORG_PASSPHRASE=${PASSWORD} borg create -C zstd,3 '${join(bench.work, "borg")}::first' .`,
          source,
        ),
      output: () => join(bench.work, "borg"),
    },
  ];
}

/** Everything that brings a tree back; the backups were made. */
export function restores(bench: Bench, tree: string): Contender[] {
  const piped = join(bench.work, `${tree}.tar.zst.age`);
  const folder = pathToFileURL(join(bench.work, `store-${tree}`)).href;
  const out = join(bench.work, "out");
  const gone = () => rmSync(out, { recursive: true, force: true });
  const fresh = () => void emptied(bench, "out");
  const decrypt = `age -d -i '${bench.keyFile}'`;
  const unpack = "zstd -q -d | tar x";
  return [
    {
      name: "restbackup, from a folder",
      prepare: gone,
      run: () => restbackup(bench, folder, ["restore", "--name", tree, "--to", out]),
    },
    {
      name: "restbackup, over HTTPS",
      prepare: gone,
      run: () =>
        restbackup(bench, bench.server.accessUrl, ["restore", "--name", tree, "--to", out]),
    },
    {
      name: "age -d | zstd -d | tar x",
      prepare: fresh,
      run: () => shell(`${decrypt} < '${piped}' | ${unpack}`, out),
    },
    {
      name: "the same, from curl over HTTPS",
      beside: 1,
      prepare: fresh,
      run: () => shell(`${curlConfig(bench, `${tree}-piped.age`)} | ${decrypt} | ${unpack}`, out),
    },
  ];
}

/** Starting, and doing nothing. */
export function starts(bench: Bench): Contender[] {
  const action = fileURLToPath(new URL("../dist/backup.js", import.meta.url));
  const nothing = {
    PATH: process.env.PATH,
    "INPUT_ACCESS-URL": bench.server.accessUrl,
    INPUT_KEY: bench.identity,
    INPUT_PATH: "nothing-is-called-this",
    INPUT_NAME: "nothing",
    "INPUT_IF-NO-FILES-FOUND": "ignore",
    NODE_EXTRA_CA_CERTS: bench.server.caFile,
    RUNNER_TEMP: bench.work,
    GITHUB_WORKSPACE: bench.work,
  };
  return [
    { name: "restbackup --version", run: () => measure(process.execPath, [CLI, "--version"]) },
    {
      name: "the Action, finding nothing to back up",
      run: () => measure(process.execPath, [action], { env: nothing, cwd: bench.work }),
    },
    { name: "node -e 0", run: () => measure(process.execPath, ["-e", "0"]) },
  ];
}
