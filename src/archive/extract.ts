import type { Worker } from "node:worker_threads";
import { type ErrorCode, RestbackupError } from "../errors.ts";
import type { ContentsEntry } from "./contents.ts";
import type { Segment } from "./contents-list.ts";
import { type Extracted, type ExtractOptions, linkToNothing } from "./extractor.ts";
import type { ArchiveReader, TarRange } from "./read-archive.ts";
import { globMatcher } from "./selection.ts";
import { paddedSize } from "./tar-header.ts";
import { startWorker } from "./worker.ts";

export type ExtractRequest =
  | {
      readonly type: "lines";
      readonly lines: Uint8Array;
      readonly segment: Pick<Segment, "entries" | "first">;
    }
  | { readonly type: "entries"; readonly entries: readonly ContentsEntry[] }
  | { readonly type: "content"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: "end" };

export type ExtractReply =
  | { readonly type: "progress"; readonly files: number; readonly bytes: number }
  | { readonly type: "done"; readonly extracted: Extracted }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

export interface ExtractArchiveOptions {
  /** A new, empty folder; undefined checks everything and writes nothing. */
  readonly root: string | undefined;
  /** Globs (`globMatcher`); everything when absent. */
  readonly include?: readonly string[] | undefined;
  readonly sameOwner?: boolean | undefined;
  readonly onProgress?: ((files: number, bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Messages sent to the worker and not yet answered: bounds what is in memory. */
const IN_FLIGHT = 4;
/** Entries of a selection handled together. */
const BATCH = 4096;

/**
 * Reads an archive into a folder, in a worker, checking every byte against the contents list.
 * Throws `damaged` when anything differs, `io` when something cannot be written; what was written
 * until then is the caller's to remove.
 */
export async function extractArchive(
  reader: ArchiveReader,
  options: ExtractArchiveOptions,
): Promise<Extracted> {
  const whole = options.include === undefined;
  const writer = new WriterThread(
    { root: options.root, whole, sameOwner: options.sameOwner ?? false },
    options,
  );
  try {
    if (options.include === undefined) await sendWhole(reader, writer);
    else await sendSelection(reader, writer, options.include);
    const extracted = await writer.end();
    if (whole) checkTotals(reader, extracted);
    return extracted;
  } finally {
    await writer.stop();
  }
}

async function sendWhole(reader: ArchiveReader, writer: WriterThread): Promise<void> {
  const { segments } = reader.index;
  const lists = reader.segments();
  let sent = 0;
  for await (const { offset, content } of reader.frames()) {
    // What begins in a frame is announced before it.
    while (sent < segments.length && segments[sent]!.start < offset + content.length) {
      const { value } = await lists.next();
      const { segment } = value as { lines: Buffer; segment: Segment };
      const lines = owned(value.lines);
      await writer.send({ type: "lines", lines, segment }, [lines.buffer]);
      sent += 1;
    }
    const bytes = owned(content);
    await writer.send({ type: "content", offset, bytes }, [bytes.buffer]);
  }
  if (sent < segments.length) {
    throw new RestbackupError("damaged", "The archive's contents list names more than it holds.");
  }
}

async function sendSelection(
  reader: ArchiveReader,
  writer: WriterThread,
  include: readonly string[],
): Promise<void> {
  let batch: ContentsEntry[] = [];
  const flush = async (): Promise<void> => {
    const ranges = batch
      .filter(({ type, size }) => type === "file" && size! > 0)
      .map(({ offset, size }): TarRange => ({ start: offset!, end: offset! + paddedSize(size!) }));
    await writer.send({ type: "entries", entries: batch });
    if (ranges.length > 0) {
      for await (const { offset, content } of reader.frames(ranges)) {
        const bytes = owned(content);
        await writer.send({ type: "content", offset, bytes }, [bytes.buffer]);
      }
    }
    batch = [];
  };
  for await (const entry of selectEntries(reader, include)) {
    batch.push(entry);
    if (batch.length >= BATCH) await flush();
  }
  await flush();
}

/**
 * The entries that match, with the folders above them. A hard link whose content lies under a name
 * that is not selected takes the content over.
 */
async function* selectEntries(
  reader: ArchiveReader,
  include: readonly string[],
): AsyncGenerator<ContentsEntry> {
  const heirs = new Map<string, string>();
  for await (const { entry, selected } of matching(reader, include)) {
    if (selected && entry.type === "hardlink" && !heirs.has(entry.target!)) {
      heirs.set(entry.target!, entry.path);
    }
  }
  const folders: ContentsEntry[] = [];
  // Names of content that were come across: links lead to nothing else.
  const held = new Set<string>();
  for await (const { entry, selected } of matching(reader, include)) {
    if (entry.type === "file" && heirs.has(entry.path)) held.add(entry.path);
    while (folders.length > 0 && !isAbove(folders.at(-1)!.path, entry.path)) folders.pop();
    if (!selected) {
      if (entry.type === "directory") folders.push(entry);
      const heir = entry.type === "file" ? heirs.get(entry.path) : undefined;
      if (heir !== undefined) yield { ...entry, path: heir };
      continue;
    }
    yield* folders.splice(0);
    if (entry.type !== "hardlink") {
      // Its own links stay links to it.
      heirs.delete(entry.path);
      yield entry;
      continue;
    }
    if (!held.has(entry.target!)) throw linkToNothing(entry);
    const holder = heirs.get(entry.target!);
    if (holder === undefined) yield entry;
    else if (holder !== entry.path) yield { ...entry, target: holder };
  }
}

async function* matching(
  reader: ArchiveReader,
  include: readonly string[],
): AsyncGenerator<{ entry: ContentsEntry; selected: boolean }> {
  const matches = globMatcher(include);
  // A folder that matches comes with all it holds.
  let within: string | undefined;
  for await (const entry of reader.entries()) {
    if (within !== undefined && !isAbove(within, entry.path)) within = undefined;
    const selected = within !== undefined || matches(entry.path);
    if (selected && within === undefined && entry.type === "directory") within = entry.path;
    yield { entry, selected };
  }
}

/** Bytes alone in their memory, fit to be transferred: small buffers share a pool. */
function owned(content: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = content;
  return buffer instanceof ArrayBuffer && buffer.byteLength === content.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(content);
}

function isAbove(folder: string, path: string): boolean {
  return folder === "." ? path !== "." : path.startsWith(`${folder}/`);
}

function checkTotals(reader: ArchiveReader, { totals }: Extracted): void {
  const stated = reader.index.totals;
  if (
    totals.files !== stated.files ||
    totals.directories !== stated.directories ||
    totals.links !== stated.links ||
    totals.bytes !== stated.bytes
  ) {
    throw new RestbackupError("damaged", "The archive's contents list does not add up.");
  }
}

/** The worker, with back-pressure and its failure in one place. */
class WriterThread {
  readonly #worker: Worker;
  readonly #options: ExtractArchiveOptions;
  #pending = 0;
  #failure: unknown;
  #extracted: Extracted | undefined;
  #wake: (() => void) | undefined;
  readonly #abort = (): void => this.#fail(this.#options.signal?.reason);

  constructor(request: ExtractOptions, options: ExtractArchiveOptions) {
    this.#options = options;
    this.#worker = startWorker("restore-worker", request);
    this.#worker.on("message", (reply: ExtractReply) => this.#answered(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the writing worker stopped early")));
    if (options.signal?.aborted === true) this.#abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Sends once there is room; the transferred buffers are gone afterwards. */
  async send(request: ExtractRequest, transfer: readonly ArrayBuffer[] = []): Promise<void> {
    await this.#until(() => this.#pending < IN_FLIGHT);
    this.#pending += 1;
    this.#worker.postMessage(request, transfer);
  }

  async end(): Promise<Extracted> {
    await this.send({ type: "end" });
    await this.#until(() => this.#extracted !== undefined);
    return this.#extracted!;
  }

  async stop(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#worker.removeAllListeners("exit");
    await this.#worker.terminate();
  }

  #answered(reply: ExtractReply): void {
    this.#pending -= 1;
    if (reply.type === "done") this.#extracted = reply.extracted;
    else if (reply.type === "progress") this.#options.onProgress?.(reply.files, reply.bytes);
    else {
      const { code, message, hint } = reply;
      this.#fail(new RestbackupError(code, message, hint === undefined ? {} : { hint }));
    }
    this.#wake?.();
  }

  #fail(error: unknown): void {
    if (this.#extracted !== undefined) return;
    this.#failure ??= error;
    this.#wake?.();
  }

  async #until(met: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (met()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
