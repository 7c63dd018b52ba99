import { createHash, randomBytes } from "node:crypto";
import { link, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BatchWriter } from "../batch-writer.ts";
import type { StreamStep } from "../encryption/streams.ts";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import { ignoreMissing, syncFolder } from "../stores/durable.ts";
import { checkObjectName } from "../stores/object-name.ts";
import type { Store, StoredObject } from "../stores/store.ts";
import { stoppable } from "./aborted.ts";
import { type Content, prepareContent } from "./content.ts";
import { type OnProgress, ProgressMeter } from "./progress.ts";

/** What every single transfer takes. */
export interface TransferSettings {
  /** What to turn the content into on the way: a step that encrypts, verifies or decrypts. */
  readonly step?: StreamStep | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Stores content under a name, as it is or as `step` makes it. Resolves when the store has
 * confirmed size and digest. Throws `name-taken`, `io`, `usage`, and what {@link Store.put} does.
 */
export function putContent(
  store: Store,
  name: string,
  content: Content,
  options: TransferSettings = {},
): Promise<StoredObject> {
  const { step, signal } = options;
  return stoppable(signal, async () => {
    checkObjectName(name);
    const meter = new ProgressMeter(options.onProgress, { phase: "reading" });
    await using prepared = await prepareContent(content, {
      step,
      signal,
      onBytes: (bytes) => meter.add({ bytes }),
    });
    const { source } = prepared;
    meter.enter("storing");
    meter.set({ bytes: 0, totalBytes: source.size });
    const stored = await store.put(name, source, {
      signal,
      onBytes: (bytes) => meter.add({ bytes, storedBytes: bytes }),
    });
    meter.end();
    return stored;
  });
}

/**
 * The content of an object, or what `step` makes of it. Ends only when all of it came and is what
 * the store says it took in; throws `damaged` otherwise, and `not-found`.
 */
export async function* getContent(
  store: Store,
  name: string,
  options: TransferSettings = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  checkObjectName(name);
  const { step, signal } = options;
  const present = await store.stat(name, signal === undefined ? {} : { signal });
  if (present === undefined) {
    throw new RestbackupError(
      "not-found",
      `There is no "${printable(name)}" in ${store.description}.`,
    );
  }
  const meter = new ProgressMeter(options.onProgress, {
    phase: "fetching",
    totalBytes: present.size,
  });
  const content = checked(store.get(name, { signal }), present, meter);
  yield* step === undefined ? content : step(content);
  meter.end();
}

async function* checked(
  content: AsyncIterable<Uint8Array>,
  { name, size, sha256 }: StoredObject,
  meter: ProgressMeter,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let received = 0;
  for await (const piece of content) {
    received += piece.length;
    hash.update(piece);
    meter.add({ bytes: piece.length, storedBytes: piece.length });
    yield piece;
  }
  if (received !== size || (sha256 !== undefined && hash.digest("hex") !== sha256)) {
    throw new RestbackupError(
      "damaged",
      `What came of "${printable(name)}" is not what the store says it took in.`,
      { hint: "Fetch it again in case the transfer was at fault." },
    );
  }
}

/** How to fetch an object into a file. */
export interface GetFileSettings extends TransferSettings {
  /** Replace the file when it exists. */
  readonly overwrite?: boolean | undefined;
}

/** A file that was written. */
export interface FetchedFile {
  /** Absolute. */
  readonly path: string;
  /** Length of the file in bytes: of what was stored, or of what `step` made of it. */
  readonly size: number;
}

/**
 * Fetches an object into a file, whole or not at all: it is written aside, put on stable storage,
 * and only then given its name. Throws `target-exists`, before anything is fetched, for a path that
 * is taken (with `overwrite` for what is no plain file), and what {@link getContent} does.
 */
export function getToFile(
  store: Store,
  name: string,
  file: string,
  options: GetFileSettings = {},
): Promise<FetchedFile> {
  return stoppable(options.signal, async () => {
    const overwrite = options.overwrite ?? false;
    const path = await freePath(resolve(file), overwrite);
    const aside = join(dirname(path), `.restbackup-get-${randomBytes(6).toString("hex")}`);
    try {
      const size = await writeFrom(getContent(store, name, options), aside);
      await place(aside, path, overwrite);
      return { path, size };
    } finally {
      await rm(aside, { force: true });
    }
  });
}

/** The path itself, or the file that a link there leads to. */
async function freePath(path: string, overwrite: boolean): Promise<string> {
  const existing = await ignoreMissing(stat(path)).catch((error: unknown) => {
    throw ioError(`Cannot look at ${printable(path)}`, error);
  });
  if (existing === undefined) return path;
  if (existing.isFile() && overwrite) return await realpath(path);
  throw taken(path, existing.isFile());
}

function taken(path: string, isFile: boolean): RestbackupError {
  return isFile
    ? new RestbackupError("target-exists", `${printable(path)} exists already.`, {
        hint: "Name another file, or replace it with --overwrite.",
      })
    : new RestbackupError("target-exists", `${printable(path)} exists and is no file.`, {
        hint: "Name a file.",
      });
}

/** Gives the number of bytes. */
async function writeFrom(content: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  const failed = (error: unknown) => {
    throw ioError(`Cannot write beside ${printable(path)}`, error);
  };
  await using handle = await open(path, "wx").catch(failed);
  const writer = new BatchWriter(handle);
  let size = 0;
  try {
    for await (const piece of content) {
      size += piece.length;
      await writer.write(Buffer.from(piece)).catch(failed);
    }
    await writer.end().catch(failed);
  } finally {
    await writer.settle();
  }
  await handle.sync();
  return size;
}

async function place(aside: string, path: string, overwrite: boolean): Promise<void> {
  try {
    if (overwrite) await rename(aside, path);
    else await linkOrRename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (systemCode(error) === "EEXIST") throw taken(path, true);
    throw ioError(`Cannot write ${printable(path)}`, error);
  }
}

/** A link never replaces what appeared meanwhile; file systems of USB sticks know none. */
async function linkOrRename(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
    if ((await ignoreMissing(stat(to))) !== undefined) throw taken(to, true);
    await rename(from, to);
  }
}
