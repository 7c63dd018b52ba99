import { copyFile, link } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "../stores/store.ts";
import { countInWords, sizeInWords } from "../words.ts";
import { ARCHIVE } from "./cache-protocol.ts";
import type { CacheService } from "./cache-service.ts";
import { CachedCopies, failedCopy, newFolder, removeFolder } from "./cached-copies.ts";

/** A store in front of which a cache stands, and what became of the cache. */
export interface CachedStore {
  readonly store: Store;
  /** Whether everything that was read came from the cache. */
  readonly hit: boolean;
  /** Whether the cache was used, and why not, for one line of the log. */
  inWords(): string;
  /** Removes the scratch files; the store itself stays open. */
  close(): Promise<void>;
}

/**
 * The store; what is put into it goes to the cache too, once the store has confirmed it. The copy is
 * a second link to the volume's file, so it takes no room. A cache that fails once is left alone.
 */
export function savingStore(store: Store, cache: CacheService): CachedStore {
  let objects = 0;
  let bytes = 0;
  let problem: string | undefined;
  /** Holds the file's content as `archive`, made before the store may take the file over. */
  const folderWith = async (file: string): Promise<string | undefined> => {
    try {
      return await newFolder((folder) => twin(file, join(folder, ARCHIVE)));
    } catch (error) {
      problem ??= failedCopy(error);
      return undefined;
    }
  };
  const put: Store["put"] = async (name, source, options) => {
    const { file, size } = source;
    const wanted = problem === undefined && file !== undefined;
    const folder = wanted ? await folderWith(file) : undefined;
    try {
      const stored = await store.put(name, source, options);
      if (folder === undefined || problem !== undefined) return stored;
      const answer = await cache.save({ name, folder, size, signal: options?.signal });
      if (!answer.done) problem ??= answer.reason;
      else {
        objects++;
        bytes += size;
      }
      return stored;
    } finally {
      if (folder !== undefined) await removeFolder(folder);
    }
  };
  return {
    store: overriding(store, { put }),
    hit: false,
    inWords() {
      const saved = `saved ${countInWords(objects, "volume")}, ${sizeInWords(bytes)}`;
      if (problem === undefined) return `Cache: ${objects === 0 ? "nothing to save" : saved}`;
      return `Cache: ${objects === 0 ? "not saved" : `${saved}, and no more`}: ${problem}`;
    },
    close: async () => {},
  };
}

/**
 * The store; what is got from it comes from the cache's copy where that has the size and the SHA-256
 * the store states. The first copy that cannot be had ends the use of the cache: the rest comes from
 * the store.
 */
export function loadingStore(store: Store, cache: CacheService): CachedStore {
  const copies = new CachedCopies(store, cache);
  const cached = new Set<string>();
  const fetched = new Set<string>();
  const get: Store["get"] = async function* (name, options = {}) {
    const copy = await copies.of(name, options.signal);
    let { start = 0 } = options;
    const { end = copy?.size } = options;
    if (copy !== undefined) {
      cached.add(name);
      for await (const piece of copy.read(start, end!)) {
        options.signal?.throwIfAborted();
        start += piece.length;
        options.onBytes?.(piece.length);
        yield piece;
      }
      if (start >= end!) return;
    }
    fetched.add(name);
    yield* store.get(name, { ...options, start });
  };
  return {
    store: overriding(store, { get }),
    get hit() {
      return cached.size > 0 && fetched.size === 0;
    },
    inWords() {
      if (fetched.size === 0) {
        return cached.size > 0 ? "Cache: used: all came from it" : "Cache: not needed";
      }
      const used = cached.size === 0 ? "not used" : "used in part";
      return `Cache: ${used}: ${copies.problem ?? "a copy could not be read to its end"}`;
    },
    close: () => copies.close(),
  };
}

/** The store with another way to put or get. */
function overriding(store: Store, other: Partial<Pick<Store, "put" | "get">>): Store {
  const { description, spool, distant } = store;
  return {
    description,
    ...(spool === undefined ? {} : { spool }),
    ...(distant === undefined ? {} : { distant }),
    // A server may turn out to send no ranges.
    get ranges() {
      return store.ranges;
    },
    put: (...given) => (other.put ?? store.put).apply(store, given),
    get: (...given) => (other.get ?? store.get).apply(store, given),
    stat: (...given) => store.stat(...given),
    list: (...given) => store.list(...given),
    close: () => store.close(),
  };
}

async function twin(file: string, other: string): Promise<void> {
  try {
    await link(file, other);
  } catch {
    // On another file system, or on one that knows no links.
    await copyFile(file, other);
  }
}
