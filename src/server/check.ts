import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ioError, RestbackupError } from "../errors.ts";
import { type CheckedFile, checkFile, filesToCheck } from "../stores/check.ts";
import { openDirectoryStore } from "../stores/directory.ts";
import { ignoreMissing } from "../stores/durable.ts";
import { type AccountRecord, readRecord } from "./account-record.ts";
import { archivesPath, checkDataFolder, recordPath, usernamesIn } from "./data-folder.ts";
import { deletetimeOf } from "./listing.ts";

/** Something in a data folder that is not as it should be. */
export interface Finding {
  readonly username: string;
  /** Below the data folder. */
  readonly path: string;
  /** The stored name, where the finding is about a stored file whose name is known. */
  readonly name?: string;
  readonly state: Exclude<CheckedFile["state"], "intact">;
  readonly reason: string;
}

export interface CheckResult {
  /** How many accounts, and how many files of what state. */
  readonly accounts: number;
  readonly files: Readonly<Record<CheckedFile["state"], number>>;
  /** Bytes read. */
  readonly bytes: number;
}

export interface CheckOptions {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (progress: {
    readonly files: number;
    readonly bytes: number;
    readonly totalFiles: number;
    readonly totalBytes: number;
  }) => void;
  readonly signal?: AbortSignal;
}

/** Files read at the same time: enough for a disk, and a server beside it is not starved. */
const AT_ONCE = 2;

/**
 * Reads every stored file of every account and compares it with what was recorded when it was
 * stored; nothing is changed. A server may run meanwhile. Throws `not-found`, `usage`, `io`,
 * `aborted`; what is damaged is found, not thrown.
 */
export async function checkStored(dataDir: string, options: CheckOptions): Promise<CheckResult> {
  await checkDataFolder(dataDir);
  const check = new Check(dataDir, options);
  try {
    const usernames = await usernamesIn(dataDir);
    if (options.onProgress !== undefined) for (const one of usernames) await check.measure(one);
    for (const username of usernames) await check.account(username);
    await check.strangers(usernames);
  } catch (error) {
    if (options.signal?.aborted) {
      throw new RestbackupError("aborted", "Stopped.", { cause: options.signal.reason });
    }
    throw ioError("Cannot check the data folder", error);
  }
  return check.result;
}

class Check {
  readonly #dataDir: string;
  readonly #options: CheckOptions;
  readonly #files = { intact: 0, damaged: 0, missing: 0, unrecorded: 0, stray: 0 };
  #accounts = 0;
  #bytes = 0;
  readonly #totals = { totalFiles: 0, totalBytes: 0 };

  constructor(dataDir: string, options: CheckOptions) {
    this.#dataDir = dataDir;
    this.#options = options;
  }

  get result(): CheckResult {
    return { accounts: this.#accounts, files: this.#files, bytes: this.#bytes };
  }

  /** Adds what there is to read, for those who wait. */
  async measure(username: string): Promise<void> {
    const store = await openDirectoryStore(archivesPath(this.#dataDir, username)).catch(() => {});
    // What is wrong with the store is found by the check itself.
    if (store === undefined) return;
    const { signal } = this.#options;
    for await (const { size } of store.list(signal === undefined ? {} : { signal })) {
      this.#totals.totalFiles += 1;
      this.#totals.totalBytes += size;
    }
  }

  async account(username: string): Promise<void> {
    this.#accounts += 1;
    const record = await readRecord(recordPath(this.#dataDir, username), username).catch(
      (error: unknown) => {
        if (error instanceof RestbackupError && error.code === "damaged") return undefined;
        throw error;
      },
    );
    if (record === undefined) {
      const path = join("accounts", `${username}.json`);
      this.#find({ username, path, state: "damaged", reason: "the account's record is damaged" });
    }
    const folder = archivesPath(this.#dataDir, username);
    if ((await ignoreMissing(stat(folder))) === undefined) {
      const path = join("archives", username);
      this.#find({ username, path, state: "missing", reason: "the account's whole store is gone" });
    }
    const paths = filesToCheck(folder);
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        // A generator gives each waiting caller its own next value.
        for (let next = await paths.next(); next.done !== true; next = await paths.next()) {
          await this.#file(username, record, next.value);
        }
      }),
    );
  }

  async #file(username: string, record: AccountRecord | undefined, path: string): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const file = await checkFile(archivesPath(this.#dataDir, username), path, {
      ...(signal === undefined ? {} : { signal }),
      onBytes: (bytes) => {
        this.#bytes += bytes;
        this.#progress();
      },
    });
    // A sweep that a crash cut off leaves records without files; the next one removes them.
    if (file === undefined || (file.state === "missing" && hasExpired(file, record))) return;
    const { state, name, reason } = file;
    if (state === "intact") this.#files.intact += 1;
    else {
      const below = join("archives", username, path);
      this.#find({ username, path: below, ...(name === undefined ? {} : { name }), state, reason });
    }
    this.#progress();
  }

  /** Folders and files that no account's record speaks for. */
  async strangers(usernames: readonly string[]): Promise<void> {
    const known = new Set(usernames);
    for (const name of (await ignoreMissing(readdir(join(this.#dataDir, "archives")))) ?? []) {
      if (known.has(name)) continue;
      const reason = "there is no account of this name";
      this.#find({ username: name, path: join("archives", name), state: "stray", reason });
    }
  }

  #find(finding: Finding): void {
    this.#files[finding.state] += 1;
    this.#options.onFinding(finding);
  }

  #progress(): void {
    const files = Object.values(this.#files).reduce((sum, count) => sum + count, 0);
    this.#options.onProgress?.({ files, bytes: this.#bytes, ...this.#totals });
  }
}

function hasExpired({ createtime }: CheckedFile, record: AccountRecord | undefined): boolean {
  if (createtime === undefined || record === undefined) return false;
  return deletetimeOf(createtime, record) < Date.now() / 1000;
}
