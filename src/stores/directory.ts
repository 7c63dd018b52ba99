import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  open as openCallback,
  read as readCallback,
  rmdirSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import {
  type FileHandle,
  link,
  lstat,
  open,
  opendir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { writeAll } from "../batch-writer.ts";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import { diskPath, isHashed, isObjectFolder, nameOfDiskPath, OWN_FOLDER } from "./disk-name.ts";
import {
  allOf,
  EarlySync,
  ignoreMissing,
  makeFolder,
  syncFolder,
  syncFolders,
  syncFoldersUpTo,
  writeDurably,
} from "./durable.ts";
import { checkObjectName } from "./object-name.ts";
import { isRecordOf, type ObjectRecord, parseRecord } from "./object-record.ts";
import { OpenObject } from "./open-object.ts";
import type { PutSource, Store, StoredEntry, StoredObject, TransferOptions } from "./store.ts";
import { isAbandoned, temporaryName } from "./temporary-files.ts";

const [openFd, readFd] = [promisify(openCallback), promisify(readCallback)];

/** O_NONBLOCK and O_NOFOLLOW: were a pipe or a link in an object's place, opening must not wait. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** Of opening with these: nothing is there, or a link, or a socket. */
const NO_OBJECT = ["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"];
/** Read at once of an object that is being read: few reads, since each wakes a thread. */
const READ_BYTES = 2 * 1024 * 1024;
/** Read at once to digest an object, which a server may do of several. */
const DIGEST_BYTES = 512 * 1024;
/** Six for each byte of the longest name, where JSON escapes it, and what else there is. */
const MOST_RECORD_BYTES = 8 * 1024;
const LIST_BATCH = 64;
/** Whether "A" and "a", or two ways to write "ü", may be one file here. */
const FOLDS_NAMES = process.platform !== "linux";
const FORMAT = { format: "restbackup directory store", version: 1 };

/** What a directory store knows of an object: always with digest. */
export type DirectoryObject = StoredObject & { readonly sha256: string };

export interface DirectoryStoreOptions {
  /** Makes the folder, and those above it, when it is missing (0700). */
  readonly create?: boolean;
  /** The store's clock: milliseconds since 1970. */
  readonly clock?: () => number;
}

/** Content to create an object from, as it arrives. */
export interface NewContent {
  /** Pieces, one or several at a time. They are its own again when the next are asked for. */
  readonly stream: AsyncIterable<Uint8Array | readonly Uint8Array[]>;
  /** Length in bytes; any other length is refused. */
  readonly size: number;
  /** SHA-256 as 64 lower-case hex digits; when given, other content is refused. */
  readonly sha256?: string | undefined;
}

/**
 * Opens a folder as a store. Throws `not-found` when it is missing (unless `create`), `usage`
 * when it holds a store of a later version, `io` when it cannot be read.
 *
 * Objects are ordinary files at the places {@link diskPath} gives, so that stock tools read them;
 * what else the store needs is below `.restbackup/`: `version.json`, `tmp/` and `meta/`, which
 * holds a record (name, size, createtime, SHA-256) for each object at the object's own path. An
 * object's createtime is its file's modification time.
 */
export async function openDirectoryStore(
  folder: string,
  options: DirectoryStoreOptions = {},
): Promise<DirectoryStore> {
  const root = resolve(folder);
  const description = pathToFileURL(root).href;
  try {
    if (options.create === true) await makeFolder(root);
    const stats = await stat(root).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
      throw new RestbackupError("not-found", `There is no store at ${description}.`, {
        hint: "Check the path, or make a first backup to it.",
      });
    });
    if (!stats.isDirectory()) {
      throw new RestbackupError("usage", `${description} is not a folder.`);
    }
    await checkVersion(root, description);
    const store = new DirectoryStore(root, description, options.clock ?? Date.now);
    if (options.create === true) await store.prepare();
    return store;
  } catch (error) {
    throw ioError(`Cannot open the store at ${description}`, error);
  }
}

async function checkVersion(root: string, description: string): Promise<void> {
  const text = await ignoreMissing(readFile(join(root, OWN_FOLDER, "version.json"), "utf8"));
  if (text === undefined) return;
  let found: Partial<typeof FORMAT>;
  try {
    found = JSON.parse(text) as Partial<typeof FORMAT>;
  } catch {
    found = {};
  }
  if (found.format !== FORMAT.format || found.version !== FORMAT.version) {
    throw new RestbackupError(
      "usage",
      `${description} is not a directory store this version of restbackup can read.`,
      { hint: "Use the restbackup that wrote it, or a later one." },
    );
  }
}

/** A folder as a store; see {@link openDirectoryStore}. */
export class DirectoryStore implements Store {
  readonly description: string;
  readonly spool: string;
  readonly ranges = true;
  readonly #root: string;
  readonly #meta: string;
  readonly #clock: () => number;
  readonly #digesting = new Map<string, Promise<ObjectRecord>>();
  /** What is being put in place just now: neither it nor its folders may be removed meanwhile. */
  readonly #placing = new Set<ObjectRecord>();

  constructor(root: string, description: string, clock: () => number) {
    this.#root = root;
    this.#meta = join(root, OWN_FOLDER, "meta");
    this.#clock = clock;
    this.description = description;
    this.spool = join(root, OWN_FOLDER, "tmp");
  }

  /** Makes the store's own folders, and clears away what killed writers left behind. */
  async prepare(): Promise<void> {
    await makeFolder(this.spool);
    await makeFolder(this.#meta);
    const versionFile = join(this.#root, OWN_FOLDER, "version.json");
    if ((await ignoreMissing(lstat(versionFile))) === undefined) {
      const temporary = join(this.spool, temporaryName("meta"));
      await writeDurably(temporary, `${JSON.stringify(FORMAT)}\n`);
      await rename(temporary, versionFile);
      await syncFolder(dirname(versionFile));
    }
    await this.recover();
  }

  /**
   * Settles what writers that died left in the spool folder: an object that had been linked into
   * place gets its record, anything else is removed. Files of living writers stay.
   */
  async recover(): Promise<void> {
    const now = new Date();
    const abandoned: string[] = [];
    for (const name of (await ignoreMissing(readdir(this.spool))) ?? []) {
      const path = join(this.spool, name);
      const stats = await ignoreMissing(lstat(path));
      if (stats !== undefined && isAbandoned(name, stats.mtime, now)) abandoned.push(path);
    }
    // All commits first: the data file beside a record is the proof that its link was made.
    for (const path of abandoned) if (path.endsWith(".meta")) await this.#finishCommit(path);
    for (const path of abandoned) await rm(path, { force: true, recursive: true });
  }

  /** A writer died with its record not in place: puts it there when the object is. */
  async #finishCommit(metaFile: string): Promise<void> {
    const record = parseRecord((await ignoreMissing(readFile(metaFile, "utf8"))) ?? "");
    if (record === undefined) return;
    const data = await ignoreMissing(lstat(metaFile.replace(/\.meta$/, ".data")));
    const stored = await ignoreMissing(lstat(this.#pathOf(record.name)));
    if (data === undefined || stored === undefined) return;
    if (data.ino !== stored.ino || data.dev !== stored.dev) return;
    await this.#placeRecord(record.name, metaFile);
    await syncFoldersUpTo(dirname(this.#pathOf(record.name)), this.#root);
  }

  async put(
    name: string,
    source: PutSource,
    options: TransferOptions = {},
  ): Promise<DirectoryObject> {
    try {
      return await this.create(name, source, options);
    } catch (error) {
      if (!(error instanceof RestbackupError) || error.code !== "name-taken") throw error;
      const present = await this.stat(name, options);
      if (present?.size === source.size && present.sha256 === source.sha256) return present;
      throw error;
    }
  }

  /**
   * Stores content under a name that must be free, whatever it holds: `name-taken` also for equal
   * content. Throws `store-refused` when size or digest are not as announced, `io` with the system
   * error as cause when the disk fails; then nothing is left behind and the name is still free.
   */
  async create(
    name: string,
    content: NewContent | PutSource,
    options: TransferOptions = {},
  ): Promise<DirectoryObject> {
    checkObjectName(name);
    // What comes as a stream is on its way already: who lets it come has asked before.
    if ("open" in content && (await this.#lstat(name)) !== undefined) throw nameTaken(name);
    const temporary = join(this.spool, temporaryName("data"));
    try {
      await makeFolder(this.spool);
      const written = await this.#writeTemporary(temporary, name, content, options);
      await this.#commit(temporary, written);
      if ("file" in content && this.#isSpooled(content.file)) {
        await rm(content.file, { force: true });
      }
      // The object is linked and needs it no more.
      await unlink(temporary).catch(() => {});
      return withoutExtras(written);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      await rm(metaOf(temporary), { force: true }).catch(() => {});
      throw storeError(`Cannot store "${printable(name)}" in ${this.description}`, error);
    }
  }

  #isSpooled(file: string | undefined): file is string {
    return file !== undefined && dirname(resolve(file)) === this.spool;
  }

  /** The content and its record, durable, in the spool folder. */
  async #writeTemporary(
    temporary: string,
    name: string,
    content: NewContent | PutSource,
    options: TransferOptions,
  ): Promise<ObjectRecord> {
    checkNotAborted(options.signal);
    let handle: FileHandle;
    let sha256: string;
    if ("open" in content && this.#isSpooled(content.file)) {
      await link(content.file, temporary);
      handle = await open(temporary, "r+");
      sha256 = content.sha256;
    } else {
      handle = await open(temporary, "wx", 0o600);
      try {
        sha256 = await receive(handle, content, options);
      } catch (error) {
        await handle.close();
        throw error;
      }
    }
    await using file = handle;
    const createtime = Math.floor(this.#clock() / 1000);
    await file.utimes(createtime, createtime);
    // Some file systems keep even seconds only: what they kept is what counts.
    const record = { name, ...sizeAndTime(fstatSync(file.fd)), sha256 };
    checkReceived(record, content);
    const recordText = `${JSON.stringify(record)}\n`;
    await allOf([file.sync(), writeDurably(metaOf(temporary), recordText)]);
    return record;
  }

  /**
   * Makes the object exist: link(2) fails when the name is taken, so of several writers one wins.
   * When this resolves, file, record and every folder entry on the way are on stable storage.
   */
  async #commit(temporary: string, record: ObjectRecord): Promise<void> {
    this.#placing.add(record);
    try {
      await this.#place(temporary, record);
    } finally {
      this.#placing.delete(record);
    }
  }

  async #place(temporary: string, record: ObjectRecord): Promise<void> {
    const path = this.#pathOf(record.name);
    await makeFolder(dirname(path));
    await makeFolder(dirname(this.#metaPathOf(record.name)));
    await linkInto(temporary, path, record.name);
    try {
      await allOf([
        this.#placeRecord(record.name, metaOf(temporary)),
        syncFoldersUpTo(dirname(path), this.#root),
      ]);
    } catch (error) {
      // Nobody has been told that it is stored, and it may not be durable: it must not stay.
      await unlink(path).catch(() => {});
      await rm(this.#metaPathOf(record.name), { force: true }).catch(() => {});
      throw error;
    }
  }

  async #placeRecord(name: string, metaFile: string): Promise<void> {
    const place = this.#metaPathOf(name);
    await makeFolder(dirname(place));
    await rename(metaFile, place);
    await syncFoldersUpTo(dirname(place), this.#meta);
  }

  /** Reads one piece ahead. */
  async *get(
    name: string,
    options: TransferOptions & { readonly start?: number; readonly end?: number } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkObjectName(name);
    const doing = `Cannot read "${printable(name)}" from ${this.description}`;
    try {
      await using handle = await this.#openObject(name);
      const { size } = await handle.stat();
      const { start = 0, end = size, signal, onBytes } = options;
      if (end > size) {
        throw new RestbackupError("damaged", `${doing}: it holds ${size} bytes, not ${end}.`);
      }
      const readAt = async (position: number): Promise<Buffer> => {
        checkNotAborted(signal);
        const length = Math.min(READ_BYTES, end - position);
        const buffer = Buffer.allocUnsafe(length);
        const { bytesRead } = await handle.read(buffer, 0, length, position);
        if (bytesRead === 0) {
          throw new RestbackupError("damaged", `${doing}: it ends at byte ${position}.`);
        }
        onBytes?.(bytesRead);
        return buffer.subarray(0, bytesRead);
      };
      let position = start;
      let reading = position < end ? readAt(position) : undefined;
      try {
        while (reading !== undefined) {
          const piece = await reading;
          position += piece.length;
          reading = position < end ? readAt(position) : undefined;
          // Its failure is the next turn's; until then it must not count as unhandled.
          reading?.catch(() => {});
          yield piece;
        }
      } finally {
        // The file must not be closed under a read.
        await reading?.catch(() => {});
      }
    } catch (error) {
      throw storeError(doing, error);
    }
  }

  /** An object to be passed on; undefined where there is none. Its digest as with {@link stat}. */
  async open(name: string): Promise<OpenObject | undefined> {
    checkObjectName(name);
    // Beside opening. A failure is thrown where it is waited for, if it is.
    const reading = this.#readRecord(name);
    reading.catch(() => {});
    let fd: number | undefined;
    try {
      fd = await this.#openFile(name);
      if (fd === undefined) return undefined;
      const found = sizeAndTime(fstatSync(fd));
      let record = await reading;
      if (record === undefined || !isRecordOf(record, name, found)) {
        record = await this.#digest(name, undefined);
        if (!isRecordOf(record, name, found)) throw beingChanged(name);
      }
      const opened = new OpenObject(withoutExtras(record), fd);
      fd = undefined;
      return opened;
    } catch (error) {
      throw storeError(`Cannot open "${printable(name)}" in ${this.description}`, error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** A file descriptor, when an object of exactly this name is there. */
  async #openFile(name: string): Promise<number | undefined> {
    if (FOLDS_NAMES && (await this.#lstat(name)) === undefined) return undefined;
    const fd = await openFd(this.#pathOf(name), OPEN_FLAGS).catch((error: unknown) => {
      if (NO_OBJECT.includes(systemCode(error) ?? "")) return undefined;
      throw error;
    });
    if (fd === undefined || fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    return undefined;
  }

  async #openObject(name: string): Promise<FileHandle> {
    const present = await this.#lstat(name);
    if (present !== undefined) {
      const handle = await ignoreMissing(open(this.#pathOf(name), OPEN_FLAGS));
      if (handle !== undefined) return handle;
    }
    throw new RestbackupError(
      "not-found",
      `There is no "${printable(name)}" in ${this.description}.`,
    );
  }

  /** What is stored, its digest included: computed and recorded when no record has it. */
  async stat(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<DirectoryObject | undefined> {
    checkObjectName(name);
    try {
      const present = await this.#lstat(name);
      if (present === undefined) return undefined;
      const record = await this.#readRecord(name);
      if (record !== undefined && isRecordOf(record, name, sizeAndTime(present))) {
        return withoutExtras(record);
      }
      return withoutExtras(await this.#digest(name, options.signal));
    } catch (error) {
      throw storeError(`Cannot look up "${printable(name)}" in ${this.description}`, error);
    }
  }

  /** Whether the name is taken; cheaper than {@link stat}. Throws `usage` for a malformed name. */
  async has(name: string): Promise<boolean> {
    return (await this.#lstat(checkObjectName(name))) !== undefined;
  }

  /** The file's own data when an object of exactly this name is there. */
  async #lstat(name: string): Promise<Stats | undefined> {
    const stats = await ignoreMissing(lstat(this.#pathOf(name)));
    if (stats === undefined || !stats.isFile()) return undefined;
    if (!FOLDS_NAMES) return stats;
    // The record says which of the names that share this file it is.
    const record = await this.#readRecord(name);
    return record === undefined || record.name === name ? stats : undefined;
  }

  async #readRecord(name: string): Promise<ObjectRecord | undefined> {
    const fd = await ignoreMissing(openFd(this.#metaPathOf(name), "r"));
    if (fd === undefined) return undefined;
    try {
      const buffer = Buffer.allocUnsafe(MOST_RECORD_BYTES);
      const { bytesRead } = await readFd(fd, buffer, 0, buffer.length, 0);
      return parseRecord(buffer.toString("utf8", 0, bytesRead));
    } finally {
      closeSync(fd);
    }
  }

  /** Digests a file that has no record (copied in by hand, or its writer was killed), once. */
  #digest(name: string, signal: AbortSignal | undefined): Promise<ObjectRecord> {
    const running = this.#digesting.get(name);
    if (running !== undefined) return running;
    const digesting = this.#digestAndRecord(name, signal).finally(() =>
      this.#digesting.delete(name),
    );
    this.#digesting.set(name, digesting);
    return digesting;
  }

  async #digestAndRecord(name: string, signal: AbortSignal | undefined): Promise<ObjectRecord> {
    const hash = createHash("sha256");
    await using handle = await this.#openObject(name);
    const before = sizeAndTime(await handle.stat());
    for await (const piece of handle.createReadStream({
      highWaterMark: DIGEST_BYTES,
      autoClose: false,
      ...(signal === undefined ? {} : { signal }),
    })) {
      hash.update(piece as Buffer);
    }
    const record = { name, ...before, sha256: hash.digest("hex") };
    if (!isRecordOf(record, name, sizeAndTime(await handle.stat()))) {
      throw beingChanged(name);
    }
    await this.#record(record).catch((error: unknown) => {
      // A store on a read-only medium can be read all the same.
      if (!["EROFS", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) throw error;
    });
    return record;
  }

  async #record(record: ObjectRecord): Promise<void> {
    await makeFolder(this.spool);
    const temporary = join(this.spool, temporaryName("meta"));
    this.#placing.add(record);
    try {
      await writeDurably(temporary, `${JSON.stringify(record)}\n`);
      await this.#placeRecord(record.name, temporary);
    } finally {
      this.#placing.delete(record);
      await rm(temporary, { force: true });
    }
  }

  /**
   * Removes objects whose time is over, and gives those that are gone; one that is not as listed,
   * or is being worked on, stays. Not part of {@link Store}: only the server's sweep may call it
   * (`docs/decisions/0012-retention-sweep.md`). Throws `io`; what was not removed by then is whole.
   *
   * A name disappears for good, by a rename, before its record does, so a crash leaves each object
   * listed and whole or not listed at all. What it may leave is settled by the next start (content,
   * which lies in the spool folder by then) and by {@link tidy} (records).
   */
  async removeExpired(entries: readonly StoredEntry[]): Promise<StoredEntry[]> {
    const removed: StoredEntry[] = [];
    const temporaries: string[] = [];
    try {
      for (const entry of entries) {
        const temporary = join(this.spool, temporaryName("data"));
        if (!(await this.#moveAway(entry, temporary))) continue;
        temporaries.push(temporary);
        removed.push(entry);
      }
      await syncFolders(removed.map(({ name }) => dirname(this.#pathOf(name))));
      for (const { name } of removed) {
        this.#dropRecord(this.#metaPathOf(name));
        // Others get their turn: a batch of these calls in a row would be felt.
        await setImmediate();
      }
      return removed;
    } catch (error) {
      throw storeError(`Cannot remove what has expired from ${this.description}`, error);
    } finally {
      for (const temporary of temporaries) await rm(temporary, { force: true }).catch(() => {});
    }
  }

  async #moveAway(entry: StoredEntry, temporary: string): Promise<boolean> {
    const { name, size, createtime } = entry;
    const stats = await this.#lstat(name);
    if (stats === undefined || stats.size !== size) return false;
    if (sizeAndTime(stats).createtime !== createtime) return false;
    if (this.#digesting.has(name) || this.#isPlacing(this.#pathOf(name))) return false;
    await rename(this.#pathOf(name), temporary);
    return true;
  }

  /**
   * Removes a record whose object is gone. In one step of the event loop, so that no upload of the
   * same name can come in between.
   */
  #dropRecord(metaPath: string): void {
    const path = join(this.#root, relative(this.#meta, metaPath));
    if (this.#isPlacing(path) || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
    try {
      unlinkSync(metaPath);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }

  /** Removes records without an object, and folders without any; nothing that a listing shows. */
  async tidy(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    try {
      await this.#tidyFolder(this.#meta, options.signal);
      await this.#tidyFolder(this.#root, options.signal);
    } catch (error) {
      throw storeError(`Cannot tidy up ${this.description}`, error);
    }
  }

  async #tidyFolder(folder: string, signal: AbortSignal | undefined): Promise<void> {
    const isMeta = folder.startsWith(this.#meta);
    for await (const entry of (await ignoreMissing(opendir(folder, { bufferSize: 256 }))) ?? []) {
      checkNotAborted(signal);
      const path = join(folder, entry.name);
      if (entry.isDirectory() && isObjectFolder(entry.name)) {
        await this.#tidyFolder(path, signal);
        this.#dropEmptyFolder(path);
      } else if (isMeta && entry.isFile()) {
        const object = join(this.#root, relative(this.#meta, path));
        if ((await ignoreMissing(lstat(object))) === undefined) this.#dropRecord(path);
      }
    }
  }

  /** In one step of the event loop, as {@link #dropRecord}. */
  #dropEmptyFolder(folder: string): void {
    const inRoot = folder.startsWith(this.#meta)
      ? join(this.#root, relative(this.#meta, folder))
      : folder;
    if (this.#isPlacing(inRoot)) return;
    try {
      rmdirSync(folder);
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(systemCode(error) ?? "")) throw error;
    }
  }

  /** Whether an object at this path, or below it, is being put in place. */
  #isPlacing(path: string): boolean {
    for (const { name } of this.#placing) {
      const placed = this.#pathOf(name);
      if (placed === path || placed.startsWith(`${path}${sep}`)) return true;
    }
    return false;
  }

  /** Every object; foreign files and folders, and what vanishes meanwhile, are passed over. */
  async *list(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<StoredEntry, void, undefined> {
    try {
      yield* this.#listFolder(this.#root, options.signal);
    } catch (error) {
      throw storeError(`Cannot list ${this.description}`, error);
    }
  }

  async *#listFolder(
    folder: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEntry, void, undefined> {
    const entries = await ignoreMissing(opendir(folder, { bufferSize: 256 }));
    if (entries === undefined) return;
    const subfolders: string[] = [];
    let batch: string[] = [];
    for await (const entry of entries) {
      checkNotAborted(signal);
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (isObjectFolder(entry.name)) subfolders.push(path);
      } else if (entry.isFile()) {
        batch.push(path);
        if (batch.length >= LIST_BATCH) {
          yield* await this.#entriesOf(batch);
          batch = [];
        }
      }
    }
    yield* await this.#entriesOf(batch);
    for (const subfolder of subfolders) yield* this.#listFolder(subfolder, signal);
  }

  async #entriesOf(paths: string[]): Promise<StoredEntry[]> {
    const entries = await Promise.all(paths.map((path) => this.#entryAt(path)));
    return entries.filter((entry) => entry !== undefined);
  }

  async #entryAt(path: string): Promise<StoredEntry | undefined> {
    const name = await this.#nameAt(relative(this.#root, path).split(sep));
    if (name === undefined) return undefined;
    const stats = await ignoreMissing(lstat(path));
    return stats?.isFile() ? { name, ...sizeAndTime(stats) } : undefined;
  }

  async #nameAt(segments: string[]): Promise<string | undefined> {
    let name = segments.some(isHashed) ? undefined : nameOfDiskPath(segments);
    if (name === undefined || FOLDS_NAMES) {
      // Only the record knows what a hash stands for, or in which case a name was put.
      const text = await ignoreMissing(readFile(join(this.#meta, ...segments), "utf8"));
      const record = parseRecord(text ?? "");
      if (record !== undefined && isSamePlace(diskPath(record.name), segments)) name = record.name;
    }
    try {
      return name === undefined ? undefined : checkObjectName(name);
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#digesting.values());
  }

  #pathOf(name: string): string {
    return join(this.#root, ...diskPath(name));
  }

  #metaPathOf(name: string): string {
    return join(this.#meta, ...diskPath(name));
  }
}

function isSamePlace(one: readonly string[], other: readonly string[]): boolean {
  const fold = (path: readonly string[]) => {
    const joined = path.join("/");
    return FOLDS_NAMES ? joined.normalize("NFC").toLowerCase() : joined;
  };
  return fold(one) === fold(other);
}

function metaOf(dataFile: string): string {
  return dataFile.replace(/\.data$/, ".meta");
}

function sizeAndTime(stats: Stats): { size: number; createtime: number } {
  return { size: stats.size, createtime: Math.floor(stats.mtimeMs / 1000) };
}

function withoutExtras({ name, size, createtime, sha256 }: ObjectRecord): DirectoryObject {
  return { name, size, createtime, sha256 };
}

/** Writes the content to a new file and gives its SHA-256; reads no more than was announced. */
async function receive(
  handle: FileHandle,
  content: NewContent | PutSource,
  { signal, onBytes }: TransferOptions,
): Promise<string> {
  const hash = createHash("sha256");
  const disk = new EarlySync(handle);
  let received = 0;
  try {
    const stream: NewContent["stream"] = "open" in content ? content.open() : content.stream;
    for await (const some of stream) {
      checkNotAborted(signal);
      const pieces = some instanceof Uint8Array ? [some] : some;
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      received += bytes;
      if (received > content.size) break;
      // One thread writes what another one digests.
      const writing = writeAll(handle, pieces);
      for (const piece of pieces) hash.update(piece);
      await writing;
      disk.wrote(bytes);
      onBytes?.(bytes);
    }
    await disk.end();
    checkNotAborted(signal);
  } finally {
    await disk.settle();
  }
  if (received > content.size) {
    throw new RestbackupError(
      "store-refused",
      `More than the announced ${content.size} bytes came.`,
    );
  }
  return hash.digest("hex");
}

function checkReceived({ size, sha256 }: ObjectRecord, announced: NewContent | PutSource): void {
  if (size !== announced.size) {
    throw new RestbackupError("store-refused", `${size} of ${announced.size} bytes came.`);
  }
  if (announced.sha256 !== undefined && announced.sha256 !== sha256) {
    throw new RestbackupError(
      "store-refused",
      "The content is not what its SHA-256 digest announced.",
    );
  }
}

async function linkInto(temporary: string, path: string, name: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (code === "EEXIST") throw nameTaken(name);
    if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) {
      throw new RestbackupError(
        "io",
        "The file system has no hard links, without which nothing can be stored there safely: " +
          "a file could be replaced by another.",
        { cause: error, hint: "Use a disk with ext4, XFS, APFS, NTFS or their like, not exFAT." },
      );
    }
    throw error;
  }
}

function beingChanged(name: string): RestbackupError {
  return new RestbackupError("io", `"${printable(name)}" is being changed by another program.`);
}

function nameTaken(name: string): RestbackupError {
  return new RestbackupError("name-taken", `"${printable(name)}" is already stored.`, {
    hint: "Stored objects are never replaced. Use another name.",
  });
}

function checkNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new RestbackupError("aborted", "Stopped.", { cause: signal.reason });
  }
}

/** Leaves our own errors as they are; any other is the disk's. */
function storeError(doing: string, error: unknown): RestbackupError {
  if (error instanceof Error && error.name === "AbortError") {
    return new RestbackupError("aborted", "Stopped.", { cause: error });
  }
  return ioError(doing, error);
}
