import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findEntry, listEntries } from "../../src/operations/entries.ts";
import {
  type LegacyRestoreOptions,
  restoreLegacy,
  showLegacy,
  verifyLegacy,
} from "../../src/operations/legacy.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { requireProgram } from "../support/programs.ts";
import { differences, treeOf } from "../support/trees.ts";
import { BASE, type DailyChain, makeDailyChain, PASSPHRASE } from "./legacy-chain.ts";
import {
  contentsOf,
  refusalOf,
  StoreBetween,
  snapshot,
  temporaryFolder,
  writeTree,
} from "./world.ts";

const tar = requireProgram("tar", "archives that older tools made come back");

/** The system takes times as doubles. */
const TOLERANCE = 1000n;

async function newStore(): Promise<Store> {
  const folder = join(temporaryFolder(), "store");
  return openStore(pathToFileURL(folder).href, { create: true });
}

async function put(store: Store, name: string, content: Buffer): Promise<void> {
  const sha256 = createHash("sha256").update(content).digest("hex");
  await store.put(name, { size: content.length, sha256, open: () => Readable.from([content]) });
}

/** A store of a chain, but for what is left out; `change` may alter an archive. */
async function storeOf(
  { folder, names }: DailyChain,
  { without = [], change = (_, content) => content }: StoreOptions = {},
): Promise<Store> {
  const store = await newStore();
  for (const [level, name] of names.entries()) {
    if (without.includes(level)) continue;
    await put(store, name, change(level, fs.readFileSync(join(folder, name))));
  }
  return store;
}

interface StoreOptions {
  readonly without?: readonly number[];
  readonly change?: (level: number, content: Buffer) => Buffer;
}

function restore(store: Store, options: Omit<Partial<LegacyRestoreOptions>, "store"> = {}) {
  const to = options.to ?? join(temporaryFolder(), "restored");
  return restoreLegacy({ store, allowUnauthenticated: true, ...options, to });
}

describe.skipIf(!tar)("a chain of a full archive and ten increments", () => {
  const parent = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "legacy-"));
  afterAll(() => fs.rmSync(parent, { recursive: true, force: true }));
  let plain: DailyChain;
  let posix: DailyChain;
  let encrypted: DailyChain;
  beforeAll(async () => {
    plain = await makeDailyChain(parent);
    posix = await makeDailyChain(parent, { format: "posix" });
    encrypted = await makeDailyChain(parent, { encrypted: true });
  });

  it("comes back at each level identical to what GNU tar restores, in both of its formats", async () => {
    for (const chain of [plain, posix]) {
      const store = await storeOf(chain);
      for (const [level, entry] of chain.names.entries()) {
        const result = await restore(store, { entry });
        const found = differences(chain.states[level]!, treeOf(result.to), {
          tolerance: TOLERANCE,
        });
        expect(found, entry).toEqual([]);
        expect(result).toMatchObject({ warnings: [], authenticity: { by: "none" } });
        expect(result.applied).toEqual(chain.names.slice(0, level + 1));
      }
    }
  });

  it("comes back from chlorocrypt with its passphrase, and needs no more to be trusted", async () => {
    const store = await storeOf(encrypted);
    for (const level of [0, 5, 10]) {
      const result = await restore(store, {
        entry: encrypted.names[level],
        passphrase: PASSPHRASE,
        allowUnauthenticated: false,
      });
      const found = differences(encrypted.states[level]!, treeOf(result.to), {
        tolerance: TOLERANCE,
      });
      expect(found).toEqual([]);
      expect(result.authenticity).toEqual({ by: "key" });
    }
    const wrong = await refusalOf(restore(store, { passphrase: "another passphrase" }));
    expect(wrong.code).toBe("wrong-key");
    const none = await refusalOf(restore(store));
    expect(none).toMatchObject({
      code: "usage",
      hint: expect.stringContaining("--passphrase-file"),
    });
  });

  it("is refused where a plain archive stands among encrypted ones, unless that is allowed", async () => {
    const smuggled = fs.readFileSync(join(plain.folder, plain.names[3]!));
    const store = await storeOf(encrypted, {
      change: (level, content) => (level === 3 ? smuggled : content),
    });
    const options = { passphrase: PASSPHRASE, allowUnauthenticated: false };
    const error = await refusalOf(restore(store, options));
    expect(error.code).toBe("unauthentic");
    expect(error.message).toContain(encrypted.names[3]);
    const allowed = await restore(store, { ...options, allowUnauthenticated: true });
    expect(allowed.authenticity).toEqual({ by: "none" });
  });

  it("is refused where nothing proves who wrote it, before anything is unpacked", async () => {
    const store = await storeOf(plain);
    const to = join(temporaryFolder(), "restored");
    for (const doing of [() => restoreLegacy({ store, to }), () => verifyLegacy({ store })]) {
      expect(await refusalOf(doing())).toMatchObject({
        code: "unauthentic",
        hint: expect.stringContaining("--allow-unauthenticated"),
      });
    }
    expect(fs.readdirSync(join(to, ".."))).toEqual([]);
  });

  it("is one backup a day in a listing, the tenth after the ninth", async () => {
    const store = await storeOf(plain);
    const entries = await listEntries(store, { legacy: true });
    expect(entries.map(({ entry }) => entry)).toEqual(plain.names);
    expect(entries.every(({ complete, name }) => complete && name === "website")).toBe(true);
    expect(await listEntries(store)).toEqual([]);
    for (const selector of [{}, { name: "website" }, { entry: BASE }]) {
      const { entry } = await findEntry(store, selector, { legacy: true });
      expect(entry).toBe(plain.names[10]);
    }
  });

  it("comes back as it was at a time, by the store's clock", async () => {
    const store = new StoreBetween(await storeOf(plain));
    const day = (level: number) => Date.UTC(2010, 4, 21 + level) / 1000;
    store.shows = (entry) => ({
      ...entry,
      createtime: day(plain.names.indexOf(entry.name)),
      deletetime: day(40 + plain.names.indexOf(entry.name)),
    });
    const { archive } = await restore(store, { at: new Date("2010-05-25T12:00:00Z") });
    expect(archive.entry).toBe(plain.names[4]);
    // Without its full archive it is of no use.
    expect(archive.deletetime).toBe(day(40));
    const early = refusalOf(restore(store, { at: new Date("2010-05-20T00:00:00Z") }));
    expect((await early).code).toBe("not-found");
  });

  it("ends before an increment that is missing, and says so", async () => {
    const store = await storeOf(plain, { without: [4] });
    const result = await restore(store);
    expect(result.archive.entry).toBe(plain.names[3]);
    expect(differences(plain.states[3]!, treeOf(result.to))).toEqual([]);
    expect(result.warnings).toEqual([expect.stringContaining(`${plain.names[4]} is missing`)]);
    const behind = await refusalOf(restore(store, { entry: plain.names[7] }));
    expect(behind.code).toBe("not-found");
    expect(behind.message).toContain(`${plain.names[4]} is missing`);
    const whole = await storeOf(plain, { without: [0] });
    expect((await refusalOf(restore(whole))).code).toBe("not-found");
    expect((await refusalOf(restore(whole, { entry: BASE }))).message).toContain(plain.names[0]);
  });

  it("is refused with a gzip file cut or changed anywhere, and the target stays as it was", async () => {
    const cut = (content: Buffer, part: number) =>
      content.subarray(0, Math.floor(content.length * part));
    const flipped = (content: Buffer, at: number) => {
      const bytes = Buffer.from(content);
      bytes[at < 0 ? bytes.length + at : at]! ^= 0x55;
      return bytes;
    };
    const spoils: ((content: Buffer) => Buffer)[] = [
      (content) => cut(content, 0.5),
      (content) => cut(content, 0.99),
      (content) => content.subarray(0, -1),
      (content) => content.subarray(0, -8),
      (content) => content.subarray(0, 5),
      () => Buffer.alloc(0),
      (content) => flipped(content, 0),
      (content) => flipped(content, Math.floor(content.length / 2)),
      (content) => flipped(content, -6),
      (content) => flipped(content, -2),
    ];
    const to = writeTree(join(temporaryFolder(), "there"), { "mine.txt": "mine" });
    const before = snapshot(to);
    for (const [index, spoil] of spoils.entries()) {
      const store = await storeOf(plain, {
        without: [4, 5, 6, 7, 8, 9, 10],
        // A length that no encrypted file has.
        change: (level, content) => (level === 3 ? spoil(odd(content)) : content),
      });
      for (const doing of [
        () => restore(store, { to, overwrite: true }),
        () => verifyLegacy({ store, allowUnauthenticated: true }),
      ]) {
        const error = await refusalOf(doing());
        expect([index, error.code]).toEqual([index, "damaged"]);
        expect(error.message).toContain(plain.names[3]);
      }
      expect(snapshot(to)).toEqual(before);
      expect(fs.readdirSync(join(to, ".."))).toEqual(["there"]);
    }
  });

  it("is refused with an encrypted file cut or changed, and the target stays as it was", async () => {
    const to = join(temporaryFolder(), "restored");
    for (const spoil of [
      (content: Buffer) => content.subarray(0, -16),
      (content: Buffer) => content.subarray(0, -10),
      (content: Buffer) => Buffer.concat([content.subarray(0, 500), content.subarray(516)]),
    ]) {
      const store = await storeOf(encrypted, {
        change: (level, content) => (level === 0 ? spoil(content) : content),
      });
      const error = await refusalOf(restore(store, { to, passphrase: PASSPHRASE }));
      expect(["damaged", "wrong-key"]).toContain(error.code);
      expect(fs.readdirSync(join(to, ".."))).toEqual([]);
    }
  });

  it("comes back in part, with the folders above", async () => {
    const store = await storeOf(plain);
    const { to, totals } = await restore(store, { entry: plain.names[0], include: ["1?.html"] });
    expect(Object.keys(contentsOf(to))).toEqual([
      "docs/",
      ...Array.from({ length: 10 }, (_, index) => `docs/1${index}.html`),
    ]);
    expect(totals).toMatchObject({ files: 10, directories: 2 });
    const whole = plain.states[0]!.get("docs")!.mtime;
    expect(fs.statSync(join(to, "docs"), { bigint: true }).mtimeNs).toBe(whole);
    const nothing = await refusalOf(restore(store, { include: ["nowhere"] }));
    expect(nothing.code).toBe("not-found");
  });

  it("does not replace what is there, unless told to, and leaves other files", async () => {
    const store = await storeOf(plain);
    const to = writeTree(join(temporaryFolder(), "there"), {
      "mine.txt": "mine",
      "index.html": "older",
    });
    expect((await refusalOf(restore(store, { to }))).code).toBe("target-exists");
    await restore(store, { to, overwrite: true });
    expect(contentsOf(to)).toMatchObject({ "mine.txt": "mine" });
    expect(contentsOf(to)["index.html"]).toContain("news");
  });

  it("gives up when its files take more than was allowed", async () => {
    const error = await refusalOf(restore(await storeOf(plain), { maxBytes: 100_000 }));
    expect(error).toMatchObject({ code: "io", hint: expect.stringContaining("--max-size") });
  });

  it("is verified whole, and too old where it is", async () => {
    const store = await storeOf(plain);
    const verified = await verifyLegacy({ store, allowUnauthenticated: true });
    expect(verified.applied).toEqual(plain.names);
    expect(verified.totals.files).toBeGreaterThan(25);
    const now = new Date(Date.now() + 1e9);
    const stale = verifyLegacy({ store, allowUnauthenticated: true, maxAge: 60, now });
    expect((await refusalOf(stale)).code).toBe("stale");
  });

  it("shows of an increment what is in that one", async () => {
    const store = await storeOf(plain);
    const shown = await showLegacy({ store, entry: plain.names[1] });
    const paths: string[] = [];
    for await (const { path, kind } of shown.entries) if (kind === "file") paths.push(path);
    expect(paths).toContain("./index.html");
    expect(paths).not.toContain("./docs/1.html");
  });

  it("is stopped by a signal, and leaves nothing", async () => {
    const store = new StoreBetween(await storeOf(plain));
    const stop = new AbortController();
    let pieces = 0;
    store.onPiece = () => {
      pieces += 1;
      if (pieces === 4) stop.abort();
    };
    const to = join(temporaryFolder(), "restored");
    expect((await refusalOf(restore(store, { to, signal: stop.signal }))).code).toBe("aborted");
    expect(fs.readdirSync(join(to, ".."))).toEqual([]);
  });
});

/** The same gzip file with a comment of no meaning, so that its length is odd. */
function odd(content: Buffer): Buffer {
  if (content.length % 2 === 1) return content;
  const withName = (content[3]! & 0x08) !== 0;
  // RFC 1952, 2.3: FLG.FCOMMENT, a NUL-terminated text after the name.
  const end = withName ? content.indexOf(0, 10) + 1 : 10;
  const head = Buffer.from(content.subarray(0, end));
  head[3]! |= 0x10;
  return Buffer.concat([head, Buffer.from("\0"), content.subarray(end)]);
}

describe("archives by their names", () => {
  it("a gzip file that holds no tar is refused", async () => {
    const store = await newStore();
    await put(store, "data.20100523.tar.gz", gzipSync("x".repeat(2000)));
    const error = await refusalOf(restore(store));
    expect(error).toMatchObject({ code: "damaged", message: expect.stringContaining("checksum") });
  });

  it.each([
    ["data.20100523.tar.gz", true],
    ["a/b.20100523.tar.gz", true],
    ["site-20100521T110003Z-inc1000.tar.gz", true],
    ["data.20100532.tar.gz", false],
    ["data.tar.gz", false],
    ["site-20100521T250003Z-full.tar.gz", false],
    ["site-20100521T110003Z-inc0.tar.gz", false],
    ["site-20100521T110003Z-inc01.tar.gz", false],
    ["site-20100521T110003Z-full.tar.gz.part", false],
  ])("%s is one: %s", async (name, is) => {
    const store = await newStore();
    await put(store, name, Buffer.from("x"));
    expect(await listEntries(store, { legacy: true })).toHaveLength(is ? 1 : 0);
  });
});
