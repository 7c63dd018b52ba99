import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, opendir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { diskPath, isHashed, isObjectFolder, nameOfDiskPath, OWN_FOLDER } from "./disk-name.ts";
import { ignoreMissing } from "./durable.ts";
import { type ObjectRecord, parseRecord } from "./object-record.ts";

/** What a file of a store turned out to be. */
export interface CheckedFile {
  /** Below the store's folder. */
  readonly path: string;
  /** The object's name, where it is known. */
  readonly name: string | undefined;
  /** Bytes that were read. */
  readonly size: number;
  /**
   * - `intact`: as its record says.
   * - `damaged`: not as its record says, or unreadable.
   * - `missing`: there is a record, and no file.
   * - `unrecorded`: there is no record, so nothing says what it should be.
   * - `stray`: no object at all.
   */
  readonly state: "intact" | "damaged" | "missing" | "unrecorded" | "stray";
  /** Why, in words; empty for what is intact. */
  readonly reason: string;
  /** Unix seconds, by the record. */
  readonly createtime: number | undefined;
}

const READ_BYTES = 512 * 1024;
/** A file so young may be one whose record is being written, in milliseconds. */
const YOUNG = 10_000;
const PAUSE = 1000;

/** The paths of all that lies where objects and their records lie, the store's own data left out. */
export async function* filesToCheck(folder: string): AsyncGenerator<string, void, undefined> {
  const meta = join(folder, OWN_FOLDER, "meta");
  for await (const path of filesBelow(folder)) yield relative(folder, path);
  for await (const path of filesBelow(meta)) {
    const object = relative(meta, path);
    // With an object it is looked at together with that.
    if ((await ignoreMissing(lstat(join(folder, object)))) === undefined) yield object;
  }
}

async function* filesBelow(folder: string): AsyncGenerator<string, void, undefined> {
  for await (const entry of (await ignoreMissing(opendir(folder, { bufferSize: 256 }))) ?? []) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && isObjectFolder(entry.name)) yield* filesBelow(path);
    else if (!entry.isDirectory() || entry.name !== OWN_FOLDER) yield path;
  }
}

/**
 * Reads a file whole and compares it with its record. Undefined when it went while it was looked
 * for: then it had expired.
 */
export async function checkFile(
  folder: string,
  path: string,
  options: { readonly signal?: AbortSignal; readonly onBytes?: (bytes: number) => void } = {},
): Promise<CheckedFile | undefined> {
  const segments = path.split(sep);
  const recordPath = join(folder, OWN_FOLDER, "meta", path);
  const look = async () => ({
    stats: await ignoreMissing(lstat(join(folder, path))),
    text: await ignoreMissing(readFile(recordPath, "utf8")),
  });
  let { stats, text } = await look();
  // Not both at once: an upload that is just ending, or an object that is just being removed.
  if (
    (stats === undefined) !== (text === undefined) &&
    isYoung(stats ?? (await lstatOf(recordPath)))
  ) {
    await sleep(PAUSE);
    ({ stats, text } = await look());
  }
  if (stats === undefined && text === undefined) return undefined;
  const record = text === undefined ? undefined : parseRecord(text);
  const name = nameFor(segments, record);
  const found = (state: CheckedFile["state"], reason: string, size = 0): CheckedFile => ({
    path,
    name,
    size,
    state,
    reason,
    createtime: record?.createtime,
  });
  if (stats === undefined) return found("missing", "there is a record of it, and no file");
  if (!stats.isFile()) return found("stray", "it is no ordinary file");
  if (text !== undefined && record === undefined) {
    return found("damaged", "its record cannot be read");
  }
  if (name === undefined) return found("stray", "it is not a file of the store");
  if (record === undefined) return found("unrecorded", "it has no record to compare it with");
  const createtime = Math.floor(stats.mtimeMs / 1000);
  if (record.name !== name) return found("damaged", "its record is that of another name");
  if (record.size !== stats.size) {
    return found("damaged", `it has ${stats.size} bytes, and its record says ${record.size}`);
  }
  const sha256 = await digest(join(folder, path), options).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  });
  if (sha256 === undefined) return undefined;
  if (sha256 instanceof Error) return found("damaged", `it cannot be read: ${sha256.message}`);
  if (sha256 !== record.sha256)
    return found("damaged", "its content is not what was stored", stats.size);
  if (record.createtime !== createtime) {
    return found("damaged", "its time is not the one it was stored at", stats.size);
  }
  return found("intact", "", stats.size);
}

function isYoung(stats: Stats | undefined): boolean {
  return stats !== undefined && Math.abs(Date.now() - stats.ctimeMs) < YOUNG;
}

async function lstatOf(path: string): Promise<Stats | undefined> {
  return await ignoreMissing(lstat(path));
}

function nameFor(segments: string[], record: ObjectRecord | undefined): string | undefined {
  if (!segments.some(isHashed)) return nameOfDiskPath(segments);
  // Only the record knows what a hash stands for.
  const fits = record !== undefined && diskPath(record.name).join(sep) === segments.join(sep);
  return fits ? record.name : undefined;
}

/** SHA-256 as hex, or undefined when there is no such file any more. */
async function digest(
  path: string,
  {
    signal,
    onBytes,
  }: { readonly signal?: AbortSignal; readonly onBytes?: (bytes: number) => void },
): Promise<string | undefined> {
  // O_NONBLOCK and O_NOFOLLOW: were it swapped for a pipe or a link, opening must not wait.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  await using handle = await ignoreMissing(open(path, flags));
  if (handle === undefined) return undefined;
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
    onBytes?.(bytesRead);
  }
}
