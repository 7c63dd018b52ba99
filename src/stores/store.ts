import type { Readable } from "node:stream";

/** One stored object as a listing shows it. */
export interface StoredEntry {
  /** The name without its leading slash; may hold further slashes. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** When the store took it in, by the store's clock: Unix seconds. */
  readonly createtime: number;
  /** When retention lets it expire: Unix seconds; absent where the store does not say. */
  readonly deletetime?: number;
}

/** What a store knows of one object. */
export interface StoredObject extends StoredEntry {
  /** SHA-256 of the content, 64 lower-case hex digits; absent where the store does not say. */
  readonly sha256?: string;
}

/** Content to put: of known length and digest, and readable again from the start for a retry. */
export interface PutSource {
  /** Length in bytes. */
  readonly size: number;
  /** SHA-256, 64 lower-case hex digits. */
  readonly sha256: string;
  /** A fresh stream of the whole content. Called once for each attempt. */
  open(): Readable;
  /**
   * A file that holds exactly this content and that the store may take over by linking or
   * renaming it, when it lies in the store's own `spool` folder.
   */
  readonly file?: string;
}

/** How a transfer is stopped and watched. */
export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with bytes moved since the last call; a retry reports a negative number first. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * A place where archives live. Append-only: there is no call that replaces or deletes.
 *
 * Every method throws {@link RestbackupError}: `not-found`, `name-taken`, `store-refused` (final)
 * or `store-unreachable` (retries are used up), with no credentials in any message.
 */
export interface Store {
  /** Names the store to a person, without secrets: `https://backup.example/`, `file:///mnt/b`. */
  readonly description: string;
  /** A folder where content may be prepared so that `put` takes it over without copying. */
  readonly spool?: string;
  /** Whether `get` fetches a part without the rest. */
  readonly ranges: boolean;
  /** Whether several `get`s at once may be faster than one. */
  readonly distant?: boolean;
  /**
   * Stores content under a new name, durably, or not at all. Resolves only when the store has
   * confirmed size and digest. A put whose answer was lost is resolved by comparing what is there:
   * ours is success, anything else is `name-taken`.
   */
  put(name: string, source: PutSource, options?: TransferOptions): Promise<StoredObject>;
  /**
   * The content, or the part from `start` (inclusive) to `end` (exclusive). A transfer that is cut
   * is resumed; bytes that cannot be had make the iteration throw, never end early.
   */
  get(
    name: string,
    options?: TransferOptions & { readonly start?: number; readonly end?: number },
  ): AsyncIterable<Uint8Array>;
  /** What is stored under the name, or undefined. */
  stat(
    name: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<StoredObject | undefined>;
  /** Everything stored, in no promised order. */
  list(options?: { readonly signal?: AbortSignal }): AsyncIterable<StoredEntry>;
  /** Frees connections; the store is not used afterwards. */
  close(): Promise<void>;
}
