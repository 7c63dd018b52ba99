import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ContentsSource, ContentsTotals, ContentsWarning } from "../archive/contents.ts";
import { DEFAULT_LEVEL } from "../archive/frame-settings.ts";
import { type ArchiveHooks, ArchiveMaker, type MadeArchive } from "../archive/make-archive.ts";
import { isNowhere, resolveSelection } from "../archive/selection.ts";
import type { Volume } from "../archive/volumes.ts";
import { createAgePrologue } from "../encryption/age.ts";
import { authenticate } from "../encryption/authentication.ts";
import type { Authentication } from "../encryption/authentication-record.ts";
import type { Recipient, SecretKey } from "../encryption/keys.ts";
import type { SigningKey } from "../encryption/signing.ts";
import { ioError, RestbackupError } from "../errors.ts";
import { checkName, entryName, volumeName } from "../naming.ts";
import type { Store, StoredObject } from "../stores/store.ts";
import { temporaryName } from "../stores/temporary-files.ts";
import { VERSION } from "../version.ts";
import { stoppable } from "./aborted.ts";
import { listEntries } from "./entries.ts";
import { type OnProgress, ProgressMeter } from "./progress.ts";

/** What to back up, where to, and for whom. */
export interface BackupOptions {
  readonly store: Store;
  /** The NAME part of the entry name. */
  readonly name: string;
  /**
   * What to back up. Plain paths, or with `patterns` lines as upload-artifact knows them: globs
   * (`*`, `?`, `[…]`, `**`, `~`), a folder meaning everything below it, `!` lines that exclude.
   * The archive's root is the deepest folder that holds all of them; one folder alone is the root.
   */
  readonly paths: readonly string[];
  readonly patterns?: boolean;
  /** Globs: without a slash they match a name at any depth, with one a path below the root. */
  readonly exclude?: readonly string[];
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Encrypts to this key and authenticates with it. At least a key or a recipient is needed. */
  readonly key?: SecretKey | undefined;
  readonly recipients?: readonly Recipient[] | undefined;
  readonly signingKey?: SigningKey | undefined;
  /** zstd level, 1 to 19; 3 when absent. */
  readonly level?: number | undefined;
  /**
   * Bytes in each volume; when absent {@link DEFAULT_VOLUME_SIZE}, and {@link FOLDER_VOLUME_SIZE} in
   * a store that takes files over as they are.
   */
  readonly volumeSize?: number | undefined;
  /** What to state about the origin, besides `paths`. */
  readonly source?: Omit<ContentsSource, "paths">;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: ((warning: ContentsWarning) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was made and stored. */
export interface BackupResult {
  /** The entry's name, without volume suffix. */
  readonly entry: string;
  /** What was stored: the archive itself, or its volumes in order. */
  readonly objects: readonly StoredObject[];
  /** Bytes of the whole archive as stored. */
  readonly size: number;
  /** SHA-256 of the whole archive as stored, hex. */
  readonly sha256: string;
  /** When the store took in the last of it, by the store's clock: Unix seconds. */
  readonly createtime: number;
  readonly totals: ContentsTotals;
  readonly warnings: readonly ContentsWarning[];
  /** What proves to a restore who wrote it. */
  readonly authenticated: readonly ("key" | "signature")[];
}

/** See docs/decisions/0003: few enough for a listing, small enough to retry and to spool. */
export const DEFAULT_VOLUME_SIZE = 256 * 2 ** 20;
/** In a folder nothing is gained by cutting; what lies there can still go to a server as it is. */
export const FOLDER_VOLUME_SIZE = 4 * 2 ** 30;
const MIN_VOLUME_SIZE = 2 ** 20;
/** `backup-api.md`, part 1: what one PUT may hold. */
const MAX_VOLUME_SIZE = 5 * 2 ** 30;
/** Volumes being uploaded at once; packing waits while one more is ready. */
const PARALLEL_UPLOADS = 3;

/**
 * Packs, encrypts and stores. Resolves once the store has confirmed size and digest of everything,
 * and lists it complete. Throws `not-found` when nothing matches, before anything is stored; when
 * it throws later, what was stored is an incomplete set, which nothing takes for a backup.
 *
 * @throws {@link RestbackupError} `usage`, `not-found`, `io`, `aborted`, `store-unreachable` and
 * `store-refused`.
 *
 * @example
 * ```ts
 * import { backup, openStore, parseKey } from "restbackup";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * const key = await parseKey(process.env.RESTBACKUP_KEY!);
 * const { entry, totals } = await backup({
 *   store,
 *   key,
 *   name: "website",
 *   paths: ["public"],
 *   cwd: process.cwd(),
 *   onProgress: ({ phase, bytes }) => console.error(`${phase}: ${bytes} bytes`),
 *   signal: AbortSignal.timeout(3_600_000),
 * });
 * console.log(`${entry} holds ${totals.files} files`);
 * await store.close();
 * ```
 */
export function backup(options: BackupOptions): Promise<BackupResult> {
  return stoppable(options.signal, () => makeBackup(options));
}

async function makeBackup(options: BackupOptions): Promise<BackupResult> {
  const { store, key, signal } = options;
  checkName(options.name);
  const level = checkRange(options.level ?? DEFAULT_LEVEL, 1, 19, "compression level");
  const volumeSize = checkRange(
    options.volumeSize ?? (store.spool === undefined ? DEFAULT_VOLUME_SIZE : FOLDER_VOLUME_SIZE),
    MIN_VOLUME_SIZE,
    MAX_VOLUME_SIZE,
    "volume size in bytes",
  );
  const selection = resolveSelection({ ...options, skip: storeFolders(store) });
  if (isNowhere(selection)) throw nothingFound(options);
  const maker = new ArchiveMaker(selection, level, signal);
  try {
    const age = await createAgePrologue({
      ...(key === undefined ? {} : { key }),
      recipients: options.recipients ?? [],
    });
    const created = new Date();
    const entry = await freeEntryName(store, options.name, created, signal);
    const description = {
      archive: entry,
      created: created.toISOString(),
      writer: `restbackup/${VERSION}`,
      source: { paths: options.paths, ...options.source },
    };
    const request = { description, age, volumeSize };
    return await storeArchive(options, entry, (hooks) => maker.volumes(request, hooks));
  } finally {
    await maker.stop();
  }
}

/** Puts the volumes of an archive as it is made, and confirms them. */
async function storeArchive(
  options: BackupOptions,
  entry: string,
  volumes: (hooks: ArchiveHooks) => AsyncGenerator<Volume, MadeArchive>,
): Promise<BackupResult> {
  const { store, key, signingKey, signal } = options;
  const meter = new ProgressMeter(options.onProgress);
  const warnings: ContentsWarning[] = [];
  let authentication: Authentication = {};
  const spool = await openSpool(store);
  try {
    const uploads = new Uploads(store, entry, meter, signal);
    const { size, sha256, totals } = await uploads.all(
      volumes({
        newFile: spool.newFile,
        authenticate: (digest, packed) => {
          checkNotEmpty(packed, options);
          meter.enter("finishing");
          meter.add({ files: packed.files });
          authentication = authenticate(digest, {
            ...(key === undefined ? {} : { key }),
            ...(signingKey === undefined ? {} : { signingKey }),
          });
          return authentication;
        },
        onWarning: (warning) => {
          warnings.push(warning);
          options.onWarning?.(warning);
        },
        onFrame: (bytes) => meter.add({ bytes }),
      }),
    );
    const objects = uploads.stored;
    const createtime = await confirm(store, options.name, entry, objects, signal);
    meter.end();
    return {
      entry,
      objects,
      size,
      sha256,
      createtime,
      totals,
      warnings,
      authenticated: [
        ...(authentication.hmac === undefined ? [] : (["key"] as const)),
        ...(authentication.signature === undefined ? [] : (["signature"] as const)),
      ],
    };
  } finally {
    await spool.remove();
  }
}

function checkRange(value: number, min: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RestbackupError("usage", `The ${what} is a whole number from ${min} to ${max}.`);
}

function checkNotEmpty(totals: ContentsTotals, options: BackupOptions): void {
  // A plain path that exists is something, even an empty folder; a pattern is after files.
  const something = totals.files + totals.links > 0;
  if (something || (options.patterns !== true && totals.directories > 0)) return;
  throw nothingFound(options);
}

function nothingFound({ cwd, paths }: BackupOptions): RestbackupError {
  return new RestbackupError("not-found", "No files were found to back up.", {
    hint: `Looked in ${cwd} for: ${paths.join(", ")}`,
  });
}

/** A directory store inside the tree is not part of it. */
function storeFolders(store: Store): string[] {
  if (!store.description.startsWith("file:")) return [];
  return [fileURLToPath(store.description)];
}

/** Names go by the second: where one is taken already, the next second's is. */
async function freeEntryName(
  store: Store,
  name: string,
  created: Date,
  signal: AbortSignal | undefined,
): Promise<string> {
  const taken = new Set((await listEntries(store, { name, signal })).map(({ entry }) => entry));
  for (let second = 0; ; second++) {
    const entry = entryName(name, new Date(created.getTime() + second * 1000));
    if (!taken.has(entry)) return entry;
  }
}

interface Spool {
  readonly newFile: () => string;
  remove(): Promise<void>;
}

/** Where volumes wait for their upload: within the store, where it can take them over. */
async function openSpool(store: Store): Promise<Spool> {
  const { spool } = store;
  if (spool !== undefined) {
    const files: string[] = [];
    return {
      newFile: () => {
        const file = join(spool, temporaryName("data"));
        files.push(file);
        return file;
      },
      remove: async () => {
        for (const file of files) await rm(file, { force: true });
      },
    };
  }
  const folder = await mkdtemp(join(tmpdir(), "restbackup-")).catch((error: unknown) => {
    throw ioError(
      "Cannot make a folder for volumes",
      error,
      "Point TMPDIR at a folder that can be written.",
    );
  });
  let count = 0;
  return {
    newFile: () => join(folder, `volume-${count++}`),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Puts volumes as they come, several at once; the last one only after all the others. */
class Uploads {
  readonly stored: StoredObject[] = [];
  readonly #store: Store;
  readonly #entry: string;
  readonly #meter: ProgressMeter;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(store: Store, entry: string, meter: ProgressMeter, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#entry = entry;
    this.#meter = meter;
    this.#signal =
      signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal]);
  }

  /** Runs the volumes through; returns what the generator returns. */
  async all<T>(volumes: AsyncGenerator<Volume, T>): Promise<T> {
    try {
      for (;;) {
        const next = await volumes.next();
        if (next.done === true) return next.value;
        const volume = next.value;
        while (this.#running.size >= (volume.last ? 1 : PARALLEL_UPLOADS)) {
          await Promise.race(this.#running);
        }
        if (this.#failure !== undefined) throw this.#failure.error;
        this.#start(volume);
        if (volume.last) await Promise.all(this.#running);
        if (this.#failure !== undefined) throw (this.#failure as { error: unknown }).error;
      }
    } catch (error) {
      this.#abort.abort();
      await Promise.all(this.#running);
      throw error;
    } finally {
      await volumes.return(undefined as never);
    }
  }

  #start(volume: Volume): void {
    const upload = this.#put(volume).then(
      (object) => {
        this.stored[volume.index] = object;
      },
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
    const tracked = upload.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #put(volume: Volume): Promise<StoredObject> {
    const { file, size, sha256, index, last } = volume;
    const name = index === 0 && last ? this.#entry : volumeName(this.#entry, index, last);
    let sent = 0;
    const report = (bytes: number): void => {
      sent += bytes;
      this.#meter.add({ storedBytes: bytes });
    };
    try {
      const object = await this.#store.put(
        name,
        { size, sha256, file, open: () => createReadStream(file, { highWaterMark: 2 ** 18 }) },
        { signal: this.#signal, onBytes: report },
      );
      // A store that takes the file over moves no bytes.
      report(size - sent);
      return object;
    } finally {
      await rm(file, { force: true });
    }
  }
}

/** The set as a restore will see it. Returns its createtime. */
async function confirm(
  store: Store,
  name: string,
  entry: string,
  objects: readonly StoredObject[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const listed = (await listEntries(store, { name, signal })).find((item) => item.entry === entry);
  const complete =
    listed?.complete === true &&
    listed.objects.length === objects.length &&
    listed.objects.every(({ size }, index) => size === objects[index]!.size);
  if (!complete) {
    throw new RestbackupError(
      "store-refused",
      `${store.description} confirmed the backup, but does not list it as it was stored.`,
      { hint: "Do not count on this backup. Check the server, then make another." },
    );
  }
  return listed.createtime;
}
