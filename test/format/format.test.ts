import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { generateIdentity, parseKey } from "../../src/encryption/keys.ts";
import { parseTrustedSigners } from "../../src/encryption/signing.ts";
import { backup } from "../../src/operations/backup.ts";
import { show, verify } from "../../src/operations/restore.ts";
import { openStore } from "../../src/stores/open.ts";
import { requireProgram } from "../support/programs.ts";
import { pathInTar, type ReaderKey, readArchive } from "./independent-reader.ts";
import { bytesOf, type Line } from "./independent-tar.ts";
import { writeArchive } from "./independent-writer.ts";

interface Vector {
  readonly name: string;
  readonly entry: string;
  readonly files: readonly string[];
  readonly read: ReaderKey;
  readonly proof: "hmac" | "signature" | "none";
  readonly index: { readonly archive: string };
  readonly entries: readonly Line[];
}

const folder = fileURLToPath(new URL("../vectors/archive/", import.meta.url));
const vectors = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Vector[];
const work = mkdtempSync(join(tmpdir(), "restbackup-test-format-"));
// A copy, since a store keeps records beside what it holds.
cpSync(folder, join(work, "vectors"), { recursive: true });

afterAll(() => rmSync(work, { recursive: true, force: true }));

function stored({ files }: Vector): Buffer {
  return Buffer.concat(files.map((name) => readFileSync(join(folder, name))));
}

function vectorNamed(name: string): Vector {
  return vectors.find((vector) => vector.name === name)!;
}

/** Digests of files by their paths, as a tar reader that knows UTF-8 only would say them. */
function digestsOf(entries: readonly Line[]): Map<string, string> {
  const files = entries.filter(({ type }) => type === "file");
  return new Map(files.map(({ path, sha256 }) => [pathInTar(path), sha256!]));
}

test("there is a vector for every kind of key and proof", () => {
  expect(vectors.map(({ name, proof }) => [name, proof])).toEqual([
    ["x25519", "hmac"],
    ["post-quantum", "hmac"],
    ["passphrase", "hmac"],
    ["signed", "signature"],
    ["unauthenticated", "none"],
    ["volumes", "hmac"],
  ]);
  expect(vectorNamed("volumes").files.length).toBe(2);
});

test("the vectors hold something of everything the format can say", () => {
  const { entries } = vectorNamed("x25519");
  const some = (holds: (line: Line & { sparse?: boolean }) => boolean) => entries.some(holds);
  expect(new Set(entries.map(({ type }) => type)).size).toBe(4);
  expect(some(({ path }) => !path.isWellFormed())).toBe(true);
  expect(some(({ target }) => target?.isWellFormed() === false)).toBe(true);
  expect(some(({ path }) => path.length > 100)).toBe(true);
  expect(some(({ path }) => bytesOf(path).length === 100)).toBe(true);
  expect(some(({ mtime }) => mtime.includes("."))).toBe(true);
  expect(some(({ mtime }) => mtime.startsWith("-"))).toBe(true);
  expect(some(({ gid = 0 }) => gid > 0o7777777)).toBe(true);
  expect(some(({ sparse }) => sparse === true)).toBe(true);
  expect(some(({ size }) => size === 0)).toBe(true);
});

describe.each(vectors)("the vector $name", (vector) => {
  test("is read by a reader written from docs/format.md alone", async () => {
    const read = await readArchive(vector.entry, stored(vector), vector.read);
    expect(read.index).toMatchObject(vector.index);
    expect(read.entries).toEqual(vector.entries);
    expect(read.proof).toBe(vector.proof);
    expect(read.digests).toEqual(digestsOf(vector.entries));
  });

  test("is read by us, and proven as it should be", async () => {
    const store = await openStore(pathToFileURL(join(work, "vectors")).href);
    const options = {
      store,
      key: await parseKey(vector.read.identity ?? vector.read.passphrase!),
      trustedSigners: parseTrustedSigners(vector.read.signer ?? ""),
      entry: vector.entry,
    };
    const { index, entries, authenticity } = await show(options);
    expect(index).toMatchObject(vector.index);
    expect(await Array.fromAsync(entries)).toEqual(vector.entries);
    expect(authenticity.by).toBe({ hmac: "key", signature: "signer", none: "none" }[vector.proof]);
    if (vector.proof === "none") {
      await expect(verify(options)).rejects.toMatchObject({ code: "unauthentic" });
    }
    await verify({ ...options, allowUnauthenticated: vector.proof === "none" });
    await store.close();
  });
});

describe("the reader written from docs/format.md", () => {
  const { entry, read } = vectorNamed("x25519");
  const archive = stored(vectorNamed("x25519"));

  test("refuses an archive under another name", async () => {
    const other = entry.replace("x25519", "other");
    await expect(readArchive(other, archive, read)).rejects.toThrow("of another name");
  });

  test("refuses an archive that lost its end, or has one byte changed", async () => {
    await expect(readArchive(entry, archive.subarray(0, -1), read)).rejects.toThrow();
    const changed = Buffer.from(archive);
    changed[changed.length - 100]! ^= 1;
    await expect(readArchive(entry, changed, read)).rejects.toThrow();
  });

  test("believes no signature but of the signer it trusts", async () => {
    const signed = vectorNamed("signed");
    const { signer: _, ...keyAlone } = signed.read;
    expect((await readArchive(signed.entry, stored(signed), keyAlone)).proof).toBe("none");
  });
});

test("what we write today, that reader reads", async () => {
  const tree = join(work, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "a"), "a\n");
  writeFileSync(join(tree, "big"), Buffer.alloc(5_000_000, "0123456789\n"));
  const { identity } = await generateIdentity();
  const store = await openStore(pathToFileURL(join(work, "store")).href, { create: true });
  const key = await parseKey(identity);
  const { entry } = await backup({ store, name: "now", paths: [tree], cwd: "/", key });
  const archive = readFileSync(join(work, "store", entry));
  const { entries, proof, digests } = await readArchive(entry, archive, { identity });
  expect(entries.map(({ path }) => path)).toEqual([".", "a", "big"]);
  expect(proof).toBe("hmac");
  expect(digests).toEqual(digestsOf(entries));
  await store.close();
});

describe("what a writer written from docs/format.md writes", () => {
  const items = [
    { line: { path: "folder", type: "directory", mode: 0o755, mtime: "1.5" } },
    {
      line: { path: "folder/n\u00e4me", type: "file", mode: 0o644, mtime: "2", uid: 0o7777777 + 1 },
      content: Buffer.alloc(3000, "content\n"),
    },
    {
      line: {
        path: "folder/z",
        type: "hardlink",
        mode: 0o644,
        mtime: "2",
        target: "folder/n\u00e4me",
      },
    },
    { line: { path: "latin-\udce9", type: "symlink", mode: 0o777, mtime: "-1", target: "\udcff" } },
  ] as const;
  const entry = "another-20261123T094012Z.tar.zst.age";

  async function written(frameSize: number, named = entry) {
    const { identity } = await generateIdentity();
    const archive = await writeArchive(named, items, { identity, frameSize });
    const place = mkdtempSync(join(work, "another-"));
    const store = await openStore(pathToFileURL(place).href, { create: true });
    writeFileSync(join(place, entry), archive);
    return { identity, archive, options: { store, key: await parseKey(identity), entry } };
  }

  test.each([
    ["in frames that cut headers, the list between them", 700],
    ["in one frame", 2 ** 20],
  ])("%s, we and the reader read alike", async (_, frameSize) => {
    const { identity, archive, options } = await written(frameSize);
    const read = await readArchive(entry, archive, { identity });
    expect(read.proof).toBe("hmac");
    const { authenticity } = await verify(options);
    expect(authenticity).toEqual({ by: "key" });
    const { entries } = await show(options);
    expect(await Array.fromAsync(entries)).toEqual(read.entries);
    expect(read.entries.map(({ path }) => path)).toEqual(items.map(({ line }) => line.path));
    await options.store.close();
  });

  test("we refuse under another name than it was written for", async () => {
    const { options } = await written(700, "other-20261123T094012Z.tar.zst.age");
    await expect(verify(options)).rejects.toMatchObject({ code: "unauthentic" });
    await options.store.close();
  });
});

describe("stock tools", () => {
  // The age of today's distributions knows neither post-quantum keys nor how to be given a passphrase.
  const readable = vectors.filter(
    ({ name, read }) => read.identity !== undefined && name !== "post-quantum",
  );

  test.for(readable)("list the vector $name as the manifest does", (vector, context) => {
    if (!hasStockTools()) context.skip();
    const { name, files, read, entries } = vector;
    const keyFile = join(work, `${name}.txt`);
    writeFileSync(keyFile, `${read.identity}\n`, { mode: 0o600 });
    const listed = execFileSync(
      "bash",
      [
        "-euo",
        "pipefail",
        "-c",
        'key=$1; shift; cat "$@" | age -d -i "$key" | zstd -d | tar t --quoting-style=literal',
        "-",
        keyFile,
        ...files.map((file) => join(folder, file)),
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const lines = entries.map(({ path, type }) => `${path}${type === "directory" ? "/" : ""}\n`);
    expect(listed.toString("latin1")).toBe(bytesOf(lines.join("")).toString("latin1"));
  });
});

/** GNU tar, as others print names in forms of their own. */
function hasStockTools(): boolean {
  const programs = ["age", "zstd", "tar", "bash"];
  if (!programs.every((name) => requireProgram(name, "stock tools read the vectors"))) return false;
  if (execFileSync("tar", ["--version"], { encoding: "utf8" }).includes("GNU tar")) return true;
  console.warn("Skipped, as tar is not GNU tar: stock tools read the vectors.");
  return false;
}
