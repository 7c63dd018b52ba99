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
import { readArchive } from "./independent-reader.ts";

interface Vector {
  readonly name: string;
  readonly entry: string;
  readonly files: readonly string[];
  readonly read: {
    readonly identity?: string;
    readonly passphrase?: string;
    readonly signer?: string;
  };
  readonly proof: "hmac" | "signature" | "none";
  readonly totals: object;
  readonly tarSize: number;
  readonly entries: readonly { readonly path: string }[];
}

const folder = fileURLToPath(new URL("../vectors/archive/", import.meta.url));
const vectors = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Vector[];
const work = mkdtempSync(join(tmpdir(), "restbackup-test-format-"));
// A copy, since a store keeps records beside what it holds.
cpSync(folder, join(work, "vectors"), { recursive: true });

afterAll(() => rmSync(work, { recursive: true, force: true }));

test("there is a vector for every kind of key and proof", () => {
  expect(vectors.map(({ name }) => name)).toEqual([
    "x25519",
    "post-quantum",
    "passphrase",
    "signed",
    "unauthenticated",
    "volumes",
  ]);
});

describe.each(vectors)("the vector $name", (vector) => {
  test("is read by a reader written from docs/format.md alone", async () => {
    const files = vector.files.map((name) => join(folder, name));
    const { index, entries, proof } = await readArchive(files, vector.read);
    expect(index.archive).toBe(vector.entry);
    expect(index.totals).toEqual(vector.totals);
    expect(index.tarSize).toBe(vector.tarSize);
    expect(entries).toEqual(vector.entries);
    expect(proof).toBe(vector.proof);
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
    expect(index.totals).toEqual(vector.totals);
    expect(await Array.fromAsync(entries)).toEqual(vector.entries);
    expect(authenticity.by).toBe({ hmac: "key", signature: "signer", none: "none" }[vector.proof]);
    if (vector.proof === "none") {
      await expect(verify(options)).rejects.toMatchObject({ code: "unauthentic" });
    }
    await verify({ ...options, allowUnauthenticated: vector.proof === "none" });
    await store.close();
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
  const { entries, proof } = await readArchive([join(work, "store", entry)], { identity });
  expect(entries.map(({ path }) => path)).toEqual([".", "a", "big"]);
  expect(proof).toBe("hmac");
  await store.close();
});

test("stock tools list the vectors as the manifest does", (context) => {
  const programs = ["age", "zstd", "tar"];
  if (!programs.every((name) => requireProgram(name, "stock tools read the vectors")))
    context.skip();
  const keyFile = join(work, "key.txt");
  for (const { name, files, read, entries } of vectors) {
    // The age of today's distributions knows neither post-quantum keys nor how to be given a passphrase.
    if (read.identity === undefined || name === "post-quantum") continue;
    writeFileSync(keyFile, `${read.identity}\n`, { mode: 0o600 });
    const listed = execFileSync(
      "bash",
      [
        "-euo",
        "pipefail",
        "-c",
        'key=$1; shift; cat "$@" | age -d -i "$key" | zstd -d | tar t --quoting-style=escape',
        "-",
        keyFile,
        ...files.map((file) => join(folder, file)),
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
    );
    expect(listed.trimEnd().split("\n").length).toBe(entries.length);
  }
});
