import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { BatchWriter } from "../batch-writer.ts";
import type { ByteSource } from "../encryption/byte-source.ts";
import type { StreamStep } from "../encryption/streams.ts";
import { ioError, RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { openScratchFile } from "../stores/scratch-file.ts";
import type { PutSource } from "../stores/store.ts";

/** What can be put: a file by its path, bytes, or a stream of any length. */
export type Content = { readonly file: string } | Uint8Array | ByteSource;

export interface PrepareOptions {
  /** What to turn the content into on the way, for example an encrypting step. */
  readonly step?: StreamStep | undefined;
  /** Called with the bytes read since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Content of known length and digest, until it is disposed of. */
export interface Prepared extends AsyncDisposable {
  readonly source: PutSource;
}

/**
 * Finds out length and digest, which a PUT states beforehand. A file is read once for that, and
 * must then stay as it is; a stream, and what a step makes, waits in a temporary file that is gone
 * when the process is.
 *
 * Throws `io` when something cannot be read, `usage` for a folder.
 */
export async function prepareContent(
  content: Content,
  options: PrepareOptions = {},
): Promise<Prepared> {
  const { step } = options;
  const asStep = (source: ByteSource) => {
    const read = observed(source, options);
    return step === undefined ? read : step(read);
  };
  if ("file" in content) {
    const regular = await isRegularFile(content.file);
    if (regular && step === undefined) return await fileContent(content.file, options);
    return await spooled(asStep(fileBytes(content.file)));
  }
  if (content instanceof Uint8Array) {
    if (step !== undefined) return await spooled(asStep([content]));
    const sha256 = createHash("sha256").update(content).digest("hex");
    const source = { size: content.length, sha256, open: () => Readable.from([content]) };
    return { source, async [Symbol.asyncDispose]() {} };
  }
  return await spooled(asStep(content));
}

async function* observed(
  source: ByteSource,
  { onBytes, signal }: PrepareOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) {
    signal?.throwIfAborted();
    onBytes?.(piece.length);
    yield piece;
  }
}

/** Throws in words for what is not there, or a folder. */
async function isRegularFile(file: string): Promise<boolean> {
  const stats = await stat(file).catch((error: unknown) => {
    throw ioError(`Cannot read ${printable(file)}`, error);
  });
  if (stats.isDirectory()) {
    throw new RestbackupError("usage", `${printable(file)} is a folder.`, {
      hint: "Folders are backed up with: restbackup backup FOLDER.",
    });
  }
  return stats.isFile();
}

const READ_AT_ONCE = 2 ** 20;

async function* fileBytes(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    await using handle = await open(file);
    yield* handle.createReadStream({ highWaterMark: READ_AT_ONCE, autoClose: false });
  } catch (error) {
    throw ioError(`Cannot read ${printable(file)}`, error);
  }
}

async function fileContent(file: string, options: PrepareOptions): Promise<Prepared> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of observed(fileBytes(file), options)) {
    hash.update(piece);
    size += piece.length;
  }
  const sha256 = hash.digest("hex");
  const source = { size, sha256, open: () => Readable.from(unchanged(file, sha256)) };
  return { source, async [Symbol.asyncDispose]() {} };
}

/**
 * A file once more. Its last piece is only given when all of it is what it was: a store that checks
 * no digest would otherwise keep a mixture of old and new.
 */
async function* unchanged(
  file: string,
  sha256: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let held: Uint8Array | undefined;
  for await (const piece of fileBytes(file)) {
    if (held !== undefined) yield held;
    hash.update(piece);
    held = piece;
  }
  if (hash.digest("hex") !== sha256) {
    throw new RestbackupError("io", `${printable(file)} changed while it was being stored.`);
  }
  if (held !== undefined) yield held;
}

async function spooled(source: AsyncIterable<Uint8Array>): Promise<Prepared> {
  const spool = await openScratchFile("put");
  try {
    const hash = createHash("sha256");
    const writer = new BatchWriter(spool.handle);
    let size = 0;
    try {
      for await (const piece of source) {
        hash.update(piece);
        size += piece.length;
        // A source may use its memory again, and the writer keeps pieces for a while.
        await writer.write(Buffer.from(piece));
      }
      await spool.watch(writer.end());
    } finally {
      await writer.settle();
    }
    const read = () => spool.handle.createReadStream({ start: 0, ...READ_ALL });
    return {
      source: { size, sha256: hash.digest("hex"), open: read },
      [Symbol.asyncDispose]: spool.remove,
    };
  } catch (error) {
    await spool.remove();
    throw error;
  }
}

const READ_ALL = { highWaterMark: READ_AT_ONCE, autoClose: false } as const;
