import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemCode } from "../errors.ts";
import { sha256Of } from "../stores/sha256.ts";
import type { Store, StoredObject } from "../stores/store.ts";
import { ARCHIVE } from "./cache-protocol.ts";
import type { CacheService } from "./cache-service.ts";

/** Copies kept at once: the first and last volume of an archive, and the one being read. */
const KEPT = 3;

/** A copy of an object, of the size and digest that the store states. */
interface Copy {
  readonly size: number;
  readonly folder: string;
  /** What can be read of the part; ends early, and does not throw, where the file cannot be read. */
  read(start: number, end: number): AsyncIterable<Buffer>;
}

/** Copies of stored objects from the cache, taken whole and checked before a byte of them is used. */
export class CachedCopies {
  /** Why no more are taken, once one could not be had. */
  problem: string | undefined;
  readonly #store: Pick<Store, "stat">;
  readonly #cache: CacheService;
  /** By name; the one used last comes last. */
  readonly #copies = new Map<string, Promise<Copy | undefined>>();

  constructor(store: Pick<Store, "stat">, cache: CacheService) {
    this.#store = store;
    this.#cache = cache;
  }

  /** The copy of an object, or undefined where it has to come from the store. Never throws. */
  async of(name: string, signal: AbortSignal | undefined): Promise<Copy | undefined> {
    const copy = this.#copies.get(name) ?? this.#load(name, signal);
    this.#copies.delete(name);
    this.#copies.set(name, copy);
    const [oldest] = this.#copies.keys();
    if (this.#copies.size > KEPT) await this.#forget(oldest!);
    return copy;
  }

  /** Removes the copies. */
  async close(): Promise<void> {
    for (const name of [...this.#copies.keys()]) await this.#forget(name);
  }

  async #load(name: string, signal: AbortSignal | undefined): Promise<Copy | undefined> {
    if (this.problem !== undefined) return undefined;
    try {
      const present = await this.#store.stat(name, signal === undefined ? {} : { signal });
      const { size, sha256 } = present ?? {};
      if (size === undefined || sha256 === undefined) {
        throw new Error("the store states no digest to compare a copy with");
      }
      const folder = await newFolder(async (folder) => {
        const answer = await this.#cache.load({ name, folder, size, signal });
        if (!answer.done) throw new Error(answer.reason);
        await requireCopy(join(folder, ARCHIVE), { size, sha256 });
      });
      return { size, folder, read: (start, end) => readable(join(folder, ARCHIVE), start, end) };
    } catch (error) {
      this.problem ??= failedCopy(error);
      return undefined;
    }
  }

  async #forget(name: string): Promise<void> {
    const copy = await this.#copies.get(name);
    this.#copies.delete(name);
    if (copy !== undefined) await removeFolder(copy.folder);
  }
}

/** A new scratch folder, filled; gone again when filling it fails. */
export async function newFolder(fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "restbackup-cache-"));
  try {
    await fill(folder);
    return folder;
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

/** Leaves what cannot be removed: the runner empties its folder after the job. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => {});
}

/** Why there is no copy, in words. */
export function failedCopy(error: unknown): string {
  const code = systemCode(error);
  if (code !== undefined)
    return `a copy could not be made in the runner's temporary folder (${code})`;
  return error instanceof Error ? error.message : String(error);
}

async function requireCopy(
  file: string,
  { size, sha256 }: Pick<StoredObject, "size" | "sha256">,
): Promise<void> {
  const present = await stat(file);
  if (present.size === size && (await sha256Of(createReadStream(file))) === sha256) return;
  throw new Error("what it holds under this name is not what the store took in");
}

async function* readable(file: string, start: number, end: number): AsyncGenerator<Buffer> {
  if (end <= start) return;
  const pieces = createReadStream(file, { start, end: end - 1, highWaterMark: 2 ** 18 });
  try {
    yield* pieces as AsyncIterable<Buffer>;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}
