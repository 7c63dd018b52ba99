import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answerOf, type CacheService, cacheKey } from "../../src/action/cache-service.ts";
import { loadingStore, savingStore } from "../../src/action/cached-store.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { temporaryFolder } from "../support/server.ts";

let scratch: string;
let temp: string;
let store: Store;
/** What the store was asked to give. */
let got: string[];

beforeEach(async () => {
  scratch = temporaryFolder("cached-store");
  temp = temporaryFolder("cached-store-temp");
  vi.stubEnv("TMPDIR", temp);
  vi.stubEnv("TEMP", temp);
  const directory = await openStore(`file://${scratch}/store`, { create: true });
  got = [];
  store = {
    description: directory.description,
    ranges: true,
    put: (...given) => directory.put(...given),
    get(name, options) {
      got.push(name);
      return directory.get(name, options);
    },
    stat: (...given) => directory.stat(...given),
    list: (...given) => directory.list(...given),
    close: () => directory.close(),
  };
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await store.close();
  for (const folder of [scratch, temp]) await rm(folder, { recursive: true, force: true });
});

const ARCHIVE = "archive";

/** A cache in memory, whose answers may be made worse. */
function memoryCache(spoil: Partial<CacheService> = {}) {
  const held = new Map<string, Buffer>();
  const calls: string[] = [];
  const cache: CacheService = {
    async save(call) {
      calls.push(`save ${call.name}`);
      if (spoil.save !== undefined) return spoil.save(call);
      held.set(call.name, readFileSync(join(call.folder, ARCHIVE)));
      return { done: true };
    },
    async load(call) {
      calls.push(`load ${call.name}`);
      if (spoil.load !== undefined) return spoil.load(call);
      const content = held.get(call.name);
      if (content === undefined) return { done: false, reason: "it holds no copy" };
      writeFileSync(join(call.folder, ARCHIVE), content);
      return { done: true };
    },
  };
  return { cache, held, calls };
}

async function putFile(target: Store, name: string, content: Buffer): Promise<void> {
  const file = join(scratch, "volume");
  writeFileSync(file, content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  const open = () => Readable.from([content]);
  await target.put(name, { size: content.length, sha256, file, open });
}

async function read(source: Store, name: string, part?: { start: number; end: number }) {
  return await buffer(source.get(name, part));
}

describe("a store with a cache to save to", () => {
  it("keeps what it is given in both, and leaves no file behind", async () => {
    const { cache, held } = memoryCache();
    const saving = savingStore(store, cache);
    const content = randomBytes(10_000);
    await putFile(saving.store, "a", content);
    expect(held.get("a")).toEqual(content);
    expect(await read(store, "a")).toEqual(content);
    expect(saving.inWords()).toBe("Cache: saved 1 volume, 9.8 KiB");
    expect(readdirSync(temp)).toEqual([]);
  });

  it("saves nothing that the store did not take", async () => {
    const { cache, held } = memoryCache();
    await putFile(store, "a", randomBytes(10));
    const saving = savingStore(store, cache);
    await expect(putFile(saving.store, "a", randomBytes(11))).rejects.toThrow();
    expect(held.size).toBe(0);
    expect(saving.inWords()).toBe("Cache: nothing to save");
    expect(readdirSync(temp)).toEqual([]);
  });

  it("tries a cache that failed no second time", async () => {
    const save = async () => ({ done: false, reason: "it is full" }) as const;
    const { cache, calls } = memoryCache({ save });
    const saving = savingStore(store, cache);
    for (const name of ["a", "b"]) await putFile(saving.store, name, randomBytes(10));
    expect(calls).toEqual(["save a"]);
    expect((await read(store, "b")).length).toBe(10);
    expect(saving.inWords()).toBe("Cache: not saved: it is full");
  });

  it("does without where no temporary file can be made", async () => {
    const { cache, calls } = memoryCache();
    vi.stubEnv("TMPDIR", join(temp, "missing"));
    vi.stubEnv("TEMP", join(temp, "missing"));
    const saving = savingStore(store, cache);
    await putFile(saving.store, "a", randomBytes(10));
    expect(calls).toEqual([]);
    expect(saving.inWords()).toContain("temporary folder (ENOENT)");
  });
});

describe("a store with a cache to load from", () => {
  const names = ["a", "b", "c", "d", "e"];
  const contents = new Map(names.map((name) => [name, randomBytes(5000)]));

  async function filled(spoil?: Partial<CacheService>) {
    const made = memoryCache(spoil);
    for (const [name, content] of contents) {
      await putFile(store, name, content);
      made.held.set(name, content);
    }
    return { ...made, loading: loadingStore(store, made.cache) };
  }

  it("gives the store's bytes from the cache, whatever part in whatever order is read", async () => {
    const { loading } = await filled();
    const part = fc.record({
      name: fc.constantFrom(...names),
      start: fc.nat(5000),
      length: fc.nat(5000),
    });
    await fc.assert(
      fc.asyncProperty(part, async ({ name, start, length }) => {
        const end = Math.min(start + length, 5000);
        const whole = contents.get(name)!;
        expect(await read(loading.store, name, { start, end })).toEqual(whole.subarray(start, end));
      }),
      { numRuns: 50 },
    );
    expect(got).toEqual([]);
    expect(loading.hit).toBe(true);
    // Of five objects three copies are kept.
    expect(readdirSync(temp).length).toBeLessThanOrEqual(3);
    await loading.close();
    expect(readdirSync(temp)).toEqual([]);
  });

  it.each([
    ["other bytes", () => randomBytes(5000)],
    ["fewer bytes", () => contents.get("a")!.subarray(1)],
    ["more bytes", () => Buffer.concat([contents.get("a")!, Buffer.alloc(1)])],
    ["nothing", () => Buffer.alloc(0)],
  ])("goes to the store where the cache holds %s", async (_, content) => {
    const { loading, held } = await filled();
    held.set("a", content());
    expect(await read(loading.store, "a")).toEqual(contents.get("a"));
    expect(loading.hit).toBe(false);
    expect(loading.inWords()).toContain("not what the store took in");
    expect(readdirSync(temp)).toEqual([]);
  });

  it("goes to the store for all that follows a miss, and says what came from where", async () => {
    const { loading, held, calls } = await filled();
    held.delete("b");
    for (const name of ["a", "b", "c"]) {
      expect(await read(loading.store, name)).toEqual(contents.get(name));
    }
    expect(got).toEqual(["b", "c"]);
    expect(calls).toEqual(["load a", "load b"]);
    expect(loading.hit).toBe(false);
    expect(loading.inWords()).toBe("Cache: used in part: it holds no copy");
    await loading.close();
  });

  it("goes on from the store where a copy ends early", async () => {
    const { loading } = await filled();
    expect(await read(loading.store, "a", { start: 0, end: 10 })).toHaveLength(10);
    const [folder] = readdirSync(temp);
    truncateSync(join(temp, folder!, ARCHIVE), 100);
    expect(await read(loading.store, "a")).toEqual(contents.get("a"));
    await rm(join(temp, folder!), { recursive: true });
    expect(await read(loading.store, "a")).toEqual(contents.get("a"));
    expect(loading.inWords()).toMatch(/^Cache: used in part: /);
    await loading.close();
  });

  it("asks no cache where the store states no digest", async () => {
    const { cache, calls } = await filled();
    const silent: Store = {
      ...store,
      stat: async (name) => ({ name, size: 5000, createtime: 0 }),
    };
    const loading = loadingStore(silent, cache);
    expect(await read(loading.store, "a")).toEqual(contents.get("a"));
    expect(calls).toEqual([]);
    expect(loading.inWords()).toContain("no digest");
  });
});

describe("an answer of the cache", () => {
  it.each([
    [0, "Cache Size: ~2 MB\n", undefined],
    [0, "::warning::Failed to save: disk full\n", "disk full"],
    [
      1,
      "::error::Failed to restore: Cache service responded with 503\n",
      "Cache service responded with 503",
    ],
    [1, "", "it failed without saying why"],
    [null, "", "it failed without saying why"],
    [3, "", "it holds no copy"],
    [
      3,
      "Cache restore skipped: the effective cache-mode 'none' does not permit reads.\n",
      "Cache restore skipped: the effective cache-mode 'none' does not permit reads.",
    ],
    [4, "", "this runner offers none to the step"],
    [1, "Failed to save: GET https://blob.example/x?sig=s3cr3t%0Agave 403\n", "GET (url) gave 403"],
  ])("that ended with %j and %j is told as %j", (status, log, reason) => {
    expect(answerOf(status, log)).toEqual(
      reason === undefined ? { done: true } : { done: false, reason },
    );
  });
});

describe("the key of a copy", () => {
  it("is the name of the object, or stands for it where a key cannot hold it", () => {
    const entry = "website-20261123T094012Z.tar.zst.age";
    expect(cacheKey(entry)).toBe(`restbackup-${entry}`);
    fc.assert(
      fc.property(fc.string({ maxLength: 1024, minLength: 1 }), (name) => {
        const key = cacheKey(name);
        expect(key.length).toBeLessThanOrEqual(512);
        expect(key).not.toContain(",");
      }),
    );
    expect(cacheKey("a,b")).not.toBe(cacheKey("a,c"));
  });
});
