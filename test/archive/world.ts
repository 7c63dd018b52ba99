import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { generateIdentity, parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import { type BackupOptions, type BackupResult, backup } from "../../src/operations/backup.ts";
import {
  type RestoreOptions,
  type RestoreResult,
  restore,
  verify,
} from "../../src/operations/restore.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";

/** A folder of its own with a store and a key, and what a person does with them. */
export interface World {
  readonly folder: string;
  readonly at: (...parts: string[]) => string;
  readonly store: Store;
  readonly key: SecretKey;
  readonly keyFile: string;
  backup(options: Partial<BackupOptions>): Promise<BackupResult>;
  restore(options: Partial<RestoreOptions>): Promise<RestoreResult>;
  verify(): ReturnType<typeof verify>;
  /** `age -d | zstd -d | tar xp`: what a person without us does. */
  restoreWithStockTools(to: string): Promise<void>;
  remove(): void;
}

export async function makeWorld(): Promise<World> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-test-"));
  const at = (...parts: string[]) => path.join(folder, ...parts);
  const store = await openStore(String(pathToFileURL(at("store"))), { create: true });
  const { identity } = await generateIdentity();
  const key = await parseKey(identity);
  const keyFile = at("key.txt");
  fs.writeFileSync(keyFile, `${identity}\n`);
  return {
    folder,
    at,
    store,
    key,
    keyFile,
    backup: (options) =>
      backup({ store, name: "test", paths: [at("tree")], cwd: folder, key, level: 1, ...options }),
    restore: (options) => restore({ store, key, to: at("restored"), ...options }),
    verify: () => verify({ store, key }),
    async restoreWithStockTools(to) {
      const { archive } = await verify({ store, key });
      const parts = archive.objects.map(({ name }) => at("store", name));
      fs.mkdirSync(to);
      await shell(
        'set -o pipefail; to=$1 key=$2; shift 2; cat "$@" | age -d -i "$key" | zstd -dq | tar xp -C "$to"',
        [to, keyFile, ...parts],
      );
    },
    remove() {
      execFileSync("chmod", ["-R", "u+rwX", folder]);
      fs.rmSync(folder, { recursive: true });
    },
  };
}

/** What GNU tar remarks on times it finds strange, and on a POSIX keyword it does not know. */
const REMARKS = /^tar: .*(hdrcharset|implausibly old time stamp|in the future).*\n/gm;

/** Runs a bash line; rejects with what it said when it fails or complains. */
function shell(line: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", line, "bash", ...args]);
    let out = "";
    let complaints = "";
    child.stdout.on("data", (data) => {
      out += data;
    });
    child.stderr.on("data", (data) => {
      complaints += data;
    });
    child.on("close", (code) => {
      if (code === 0 && complaints.replaceAll(REMARKS, "") === "") resolve(out);
      else reject(new Error(`${line} ended with ${code}: ${complaints}`));
    });
  });
}
