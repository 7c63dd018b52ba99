import { BackupApiStore, type Session } from "../stores/backup-api.ts";
import type { Environment } from "../stores/proxy.ts";
import type { RetryPolicy } from "../stores/retry.ts";
import type { Store, StoredEntry, StoredObject } from "../stores/store.ts";
import type { Content } from "./content.ts";
import { ProgressMeter } from "./progress.ts";
import {
  type FetchedFile,
  type GetFileSettings,
  getContent,
  getToFile,
  putContent,
  type TransferSettings,
} from "./transfer.ts";

/** How the client reaches its server. */
export interface BackupApiClientOptions {
  /** Environment variables, for the proxy settings `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`. */
  readonly env?: Environment;
  /** How patiently the server is asked again; by default 5 times, after 1 s, 2 s, 4 s, ... */
  readonly retry?: RetryPolicy;
  /** Told once, in a sentence, when the server sends no parts of objects and they are read whole. */
  readonly onWhole?: (notice: string) => void;
}

/** Which part of an object to get. */
export interface GetOptions extends TransferSettings {
  /** First byte; by default 0. */
  readonly start?: number | undefined;
  /** The byte after the last one; by default all that follows. */
  readonly end?: number | undefined;
}

/**
 * The Backup API for programs: files in, files out, as they are. (Encrypted, checked backups of
 * folders are made by {@link backup} and read by {@link restore}, which work on the client's
 * `store`.)
 *
 * Names are paths without a leading slash; what is stored is never replaced, and cannot be deleted.
 * Failed requests are sent again. Every method throws {@link RestbackupError} with a stable `code`,
 * and no message holds the access url's username or password.
 *
 * @example
 * ```ts
 * import { BackupApiClient } from "restbackup";
 *
 * await using client = new BackupApiClient(process.env.RESTBACKUP_ACCESS_URL!);
 * await client.put("notes/today.txt", Buffer.from("buy milk\n"));
 * console.log(await new Response(client.get("notes/today.txt")).text());
 * ```
 */
export class BackupApiClient implements AsyncDisposable {
  readonly #store: BackupApiStore;

  /** Opens no connection yet. Throws `usage` for an access url that is none, without repeating it. */
  constructor(accessUrl: string, options: BackupApiClientOptions = {}) {
    this.#store = new BackupApiStore(accessUrl, options);
  }

  /** The same server, for {@link backup}, {@link restore}, {@link verify} and {@link list}. */
  get store(): Store {
    return this.#store;
  }

  /**
   * Stores a file, bytes or a stream under a new name. Resolves when the server has confirmed size
   * and digest: then it is there, whole. A stream waits in a temporary file first, since the API
   * wants to know its length; a file must stay as it is meanwhile.
   *
   * @throws {@link RestbackupError} `name-taken` when the name holds other content (the same
   * content is no error), `io` when something cannot be read.
   */
  put(name: string, content: Content, options: TransferSettings = {}): Promise<StoredObject> {
    return putContent(this.#store, name, content, options);
  }

  /**
   * The content of an object, or a part of it, as a stream. Nothing is asked for before the first
   * read. A transfer that is cut is resumed; the whole is compared with the digest the server
   * states. The stream fails, and never ends early, when something is missing or wrong.
   *
   * @throws {@link RestbackupError} (from the stream) `not-found`, `damaged`.
   */
  get(name: string, options: GetOptions = {}): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#bytes(name, options));
  }

  async *#bytes(name: string, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { start = 0, end, step, signal } = options;
    if (start === 0 && end === undefined) {
      yield* getContent(this.#store, name, options);
      return;
    }
    const meter = new ProgressMeter(options.onProgress, {
      phase: "fetching",
      ...(end === undefined ? {} : { totalBytes: end - start }),
    });
    const part = this.#store.get(name, {
      start,
      ...(end === undefined ? {} : { end }),
      signal,
      onBytes: (bytes) => meter.add({ bytes, storedBytes: bytes }),
    });
    yield* step === undefined ? part : step(part);
    meter.end();
  }

  /**
   * Fetches an object into a file, whole or not at all: it is written aside, and takes its name
   * when all of it came and was found right.
   *
   * @throws {@link RestbackupError} `target-exists` when there is such a file and `overwrite` is
   * not given, `not-found`, `damaged`, `io`.
   */
  getToFile(name: string, file: string, options: GetFileSettings = {}): Promise<FetchedFile> {
    return getToFile(this.#store, name, file, options);
  }

  /** Size, time and digest of an object, or undefined when there is none of that name. */
  head(
    name: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<StoredObject | undefined> {
    return this.#store.stat(name, options);
  }

  /** Everything stored, one by one as the listing arrives, in no promised order. */
  list(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<StoredEntry> {
    return this.#store.list(options);
  }

  /** Everything stored, in one array: oldest first. */
  async listAll(options: { readonly signal?: AbortSignal } = {}): Promise<StoredEntry[]> {
    const entries = await Array.fromAsync(this.#store.list(options));
    return entries.sort((a, b) => a.createtime - b.createtime || (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes a url that shows and downloads the backups without username and password, for a day. It
   * is a secret itself.
   */
  makeSession(options: { readonly signal?: AbortSignal } = {}): Promise<Session> {
    return this.#store.makeSession(options);
  }

  /** Closes connections; the client is not used afterwards. `await using` does this. */
  close(): Promise<void> {
    return this.#store.close();
  }

  /** Closes connections at the end of a block, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
