import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { generateIdentity, parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import { RestbackupError } from "../../src/errors.ts";
import { type BackupResult, backup } from "../../src/operations/backup.ts";
import { openStore } from "../../src/stores/open.ts";
import type {
  PutSource,
  Store,
  StoredEntry,
  StoredObject,
  TransferOptions,
} from "../../src/stores/store.ts";

/** As it was at first, for tests that change it. */
const TEMPORARY = fs.realpathSync(tmpdir());

/** A folder that is gone after the test, folders without permissions in it too. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(join(TEMPORARY, "operations-"));
  onTestFinished(() => removeFolder(folder));
  return folder;
}

function removeFolder(folder: string): void {
  for (const entry of [".", ...fs.readdirSync(folder, { recursive: true, encoding: "utf8" })]) {
    const path = join(folder, entry);
    if (fs.lstatSync(path).isDirectory()) fs.chmodSync(path, 0o700);
  }
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Makes a folder with files: content by path below it; `/` at the end makes an empty folder. */
export function writeTree(folder: string, files: Record<string, string | Uint8Array>): string {
  fs.mkdirSync(folder, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    fs.mkdirSync(path.endsWith("/") ? file : join(file, ".."), { recursive: true });
    if (!path.endsWith("/")) fs.writeFileSync(file, content);
  }
  return folder;
}

/** All below a folder, with all that must not change: kinds, modes, times, content, places. */
export function snapshot(folder: string): Record<string, string> {
  const entries = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    [".", ...entries].map((entry) => [entry, describeFile(join(folder, entry))]),
  );
}

function describeFile(path: string): string {
  const { mode, mtimeNs, ino } = fs.lstatSync(path, { bigint: true });
  const common = `${mode.toString(8)} ${mtimeNs} ${ino}`;
  if (fs.lstatSync(path).isSymbolicLink()) return `${common} -> ${fs.readlinkSync(path)}`;
  if (fs.lstatSync(path).isDirectory()) return common;
  return `${common} ${createHash("sha256").update(fs.readFileSync(path)).digest("hex")}`;
}

/** Content of every file below a folder by path; folders end with a slash, links start with "->". */
export function contentsOf(folder: string): Record<string, string> {
  const entries = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    entries.map((entry): [string, string] => {
      const path = join(folder, entry);
      const name = windows ? entry.replaceAll("\\", "/") : entry;
      const stats = fs.lstatSync(path);
      if (stats.isSymbolicLink()) return [name, `->${fs.readlinkSync(path)}`];
      return stats.isDirectory() ? [`${name}/`, ""] : [name, fs.readFileSync(path, "utf8")];
    }),
  );
}

export async function newKey(): Promise<SecretKey> {
  return parseKey((await generateIdentity()).identity);
}

/** A key, a new directory store and the folder it lies in. */
export interface World {
  readonly folder: string;
  readonly store: Store;
  readonly key: SecretKey;
  /** Path of a stored object. */
  readonly file: (name: string) => string;
  /** Backs a folder of these files up as NAME. */
  readonly backUp: (
    files: Record<string, string | Uint8Array>,
    name?: string,
  ) => Promise<BackupResult>;
}

export async function newWorld(): Promise<World> {
  const folder = temporaryFolder();
  const store = await openStore(pathToFileURL(join(folder, "store")).href, { create: true });
  const key = await newKey();
  let count = 0;
  return {
    folder,
    store,
    key,
    file: (name) => join(folder, "store", name),
    backUp: (files, name = "site") => {
      const tree = writeTree(join(folder, `tree-${count++}`), files);
      return backup({ store, key, name, paths: [tree], cwd: folder });
    },
  };
}

/** The error this is refused with; anything but a RestbackupError, success included, fails. */
export async function refusalOf(doing: Promise<unknown>): Promise<RestbackupError> {
  let result: unknown;
  try {
    result = await doing;
  } catch (error) {
    if (error instanceof RestbackupError) return error;
    throw new Error(`refused with ${String(error)}, which is no RestbackupError`, { cause: error });
  }
  throw new Error(`not refused: ${typeof result}`);
}

/** Stands between an operation and a store, and fails or records on cue. */
export class StoreBetween implements Store {
  readonly description: string;
  readonly ranges: boolean;
  readonly spool?: string;
  readonly inner: Store;
  /** Called before each put; what it throws, the put throws. */
  beforePut: (name: string, source: PutSource) => Promise<void> | void = () => {};
  /** Called before each get. */
  beforeGet: (name: string) => Promise<void> | void = () => {};
  /** Called with each piece that is fetched. */
  onPiece: (piece: Uint8Array) => void = () => {};
  /** What a listing shows of what is there. */
  shows: (entry: StoredEntry) => StoredEntry | undefined = (entry) => entry;

  /** `remote` has no spool folder, as a server has none. */
  constructor(inner: Store, { remote = false }: { readonly remote?: boolean } = {}) {
    this.inner = inner;
    this.description = inner.description;
    this.ranges = inner.ranges;
    if (!remote && inner.spool !== undefined) this.spool = inner.spool;
  }

  async put(name: string, source: PutSource, options?: TransferOptions): Promise<StoredObject> {
    await this.beforePut(name, source);
    return this.inner.put(name, source, options);
  }

  async *get(
    name: string,
    options?: TransferOptions & { readonly start?: number; readonly end?: number },
  ): AsyncGenerator<Uint8Array> {
    await this.beforeGet(name);
    for await (const piece of this.inner.get(name, options)) {
      this.onPiece(piece);
      yield piece;
    }
  }

  stat(name: string): Promise<StoredObject | undefined> {
    return this.inner.stat(name);
  }

  async *list(): AsyncGenerator<StoredEntry> {
    for await (const entry of this.inner.list()) {
      const shown = this.shows(entry);
      if (shown !== undefined) yield shown;
    }
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A store of which only a listing is asked. */
export function listingOnly(entries: readonly StoredEntry[]): Store {
  const never = (): never => {
    throw new Error("only a listing was to be asked for");
  };
  return {
    description: "https://backup.example/",
    ranges: true,
    put: never,
    get: never,
    stat: never,
    async *list() {
      yield* entries;
    },
    close: async () => {},
  };
}

/** Where folders have no modes, and links need a privilege. */
export const windows = process.platform === "win32";

/** Whether tests may mount file systems and change users. */
export const root = process.geteuid?.() === 0;

/** Does something as a user whom permissions stop; the test's own user where that is one. */
export async function unprivileged<T>(doing: () => Promise<T>): Promise<T> {
  if (!root) return doing();
  process.setegid!(65_534);
  process.seteuid!(65_534);
  try {
    return await doing();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}
