import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BackupApiClient,
  decryptAge,
  encryptAge,
  generateIdentity,
  type Progress,
  parseKey,
  verifyChlorocrypt,
} from "../../src/index.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";

const CONTENT = randomBytes(300_000);
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

let server: TestServer;
let client: BackupApiClient;
let folder: string;
beforeAll(async () => {
  server = await startServer();
  client = new BackupApiClient(server.accessUrl, { retry: { retries: 0, firstDelay: 1 } });
  folder = temporaryFolder("client");
  writeFileSync(join(folder, "content"), CONTENT);
});
afterAll(async () => {
  await client.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const bytesOf = async (stream: ReadableStream<Uint8Array>) =>
  Buffer.from(await new Response(stream).arrayBuffer());

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

async function* inPieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < CONTENT.length; at += 70_001) yield CONTENT.subarray(at, at + 70_001);
}

describe("the client of the Backup API", () => {
  test.each([
    ["bytes", () => new Uint8Array(CONTENT)],
    ["a file", () => ({ file: join(folder, "content") })],
    ["a Node stream", () => createReadStream(join(folder, "content"))],
    ["a web stream", () => Readable.toWeb(Readable.from(inPieces())) as ReadableStream<Uint8Array>],
    ["an async iterable", inPieces],
    ["an array of buffers", () => [CONTENT.subarray(0, 9), CONTENT.subarray(9)]],
  ])("puts %s, and gets the same back", async (kind, content) => {
    const name = `put/${kind}`;
    const stored = await client.put(name, content());
    expect(stored).toMatchObject({ name, size: CONTENT.length, sha256: SHA256 });
    expect((await bytesOf(client.get(name))).equals(CONTENT)).toBe(true);
  });

  test("gets any part of an object, or all of it, as a stream or into a file", async () => {
    await client.put("parts", CONTENT);
    const part = async (start?: number, end?: number) =>
      bytesOf(client.get("parts", { start, end }));
    expect((await part(7, 100_000)).equals(CONTENT.subarray(7, 100_000))).toBe(true);
    expect((await part(299_990)).equals(CONTENT.subarray(299_990))).toBe(true);
    expect((await part(undefined, 5)).equals(CONTENT.subarray(0, 5))).toBe(true);
    const path = join(folder, "fetched");
    expect(await client.getToFile("parts", path)).toEqual({ path, size: CONTENT.length });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test("knows what there is, and lists it as an array, or one by one", async () => {
    await client.put("listed/a", CONTENT);
    await client.put("listed/b", [Buffer.from("b")]);
    expect(await client.head("listed/a")).toMatchObject({ size: CONTENT.length, sha256: SHA256 });
    expect(await client.head("listed/none")).toBeUndefined();
    const all = await client.listAll();
    expect(all.map(({ createtime }) => createtime)).toEqual(
      all.map(({ createtime }) => createtime).toSorted((a, b) => a - b),
    );
    const names = new Set<string>();
    for await (const { name } of client.list()) names.add(name);
    expect(names).toEqual(new Set(all.map(({ name }) => name)));
    expect([...names]).toEqual(expect.arrayContaining(["listed/a", "listed/b"]));
  });

  test("makes a session, a url that works without a password", async () => {
    const { url, expires } = await client.makeSession();
    expect(url).not.toContain(server.password);
    expect((await fetch(url, { headers: { accept: "text/html" } })).status).toBe(200);
    const hours = (expires.getTime() - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(23.9);
    expect(hours).toBeLessThanOrEqual(24);
  });

  test("never replaces: neither what is stored nor a file", async () => {
    await client.put("once", [Buffer.from("first")]);
    expect(await errorOf(client.put("once", [Buffer.from("second")]))).toMatchObject({
      code: "name-taken",
    });
    await client.put("once", [Buffer.from("first")]);
    const path = join(folder, "there");
    writeFileSync(path, "mine");
    expect(await errorOf(client.getToFile("once", path))).toMatchObject({ code: "target-exists" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    await client.getToFile("once", path, { overwrite: true });
    expect(readFileSync(path, "utf8")).toBe("first");
  });

  test("encrypts and decrypts on the way, and leaves no file of what is not what it seems", async () => {
    const key = await parseKey((await generateIdentity()).identity);
    await client.put("secret.age", CONTENT, { step: (source) => encryptAge(source, { key }) });
    expect((await bytesOf(client.get("secret.age"))).includes(CONTENT.subarray(0, 32))).toBe(false);
    const step = (source: AsyncIterable<Uint8Array>) => decryptAge(source, key);
    expect((await bytesOf(client.get("secret.age", { step }))).equals(CONTENT)).toBe(true);
    const path = join(folder, "not-chlorocrypt");
    const wrong = (source: AsyncIterable<Uint8Array>) => verifyChlorocrypt(source, "a passphrase");
    expect(await errorOf(client.getToFile("secret.age", path, { step: wrong }))).toMatchObject({
      code: "wrong-key",
    });
    expect(existsSync(path)).toBe(false);
  });

  test("tells how far it is, up to the last byte", async () => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push(progress);
    await client.put("progress", inPieces(), { onProgress });
    expect(new Set(seen.map(({ phase }) => phase))).toEqual(new Set(["reading", "storing"]));
    expect(seen.at(-1)).toMatchObject({ storedBytes: CONTENT.length, totalBytes: CONTENT.length });
    await bytesOf(client.get("progress", { onProgress }));
    expect(seen.at(-1)).toMatchObject({ phase: "fetching", bytes: CONTENT.length });
  });

  test("stops at a signal, with the code aborted, and nothing is stored", async () => {
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count++) {
        if (count === 3) stop.abort();
        yield Buffer.alloc(1000);
      }
    }
    const { signal } = stop;
    expect(await errorOf(client.put("stopped", endless(), { signal }))).toMatchObject({
      code: "aborted",
    });
    expect(await client.head("stopped")).toBeUndefined();
    for (const work of [
      () => client.put("stopped", CONTENT, { signal }),
      () => client.getToFile("put/bytes", join(folder, "stopped"), { signal }),
      () => bytesOf(client.get("put/bytes", { signal })),
      () => client.head("put/bytes", { signal }),
      () => client.listAll({ signal }),
      () => client.makeSession({ signal }),
    ]) {
      expect(await errorOf(work())).toMatchObject({ code: "aborted" });
    }
    expect(existsSync(join(folder, "stopped"))).toBe(false);
  });

  test("says what is wrong in stable codes, and never the password", async () => {
    const stranger = new BackupApiClient(server.accessUrl.replace(server.password, "wrong"), {
      retry: { retries: 0, firstDelay: 1 },
    });
    const nobody = new BackupApiClient("http://someone:secretword@127.0.0.1:1/", {
      retry: { retries: 0, firstDelay: 1 },
    });
    const errors = {
      "not-found": await errorOf(bytesOf(client.get("no/such"))),
      usage: await errorOf(client.put("../up", CONTENT)),
      io: await errorOf(client.put("gone", { file: join(folder, "no-such-file") })),
      "store-refused": await errorOf(stranger.listAll()),
      "store-unreachable": await errorOf(nobody.listAll()),
    };
    for (const [code, error] of Object.entries(errors)) {
      expect(error).toMatchObject({ name: "RestbackupError", code });
      expect(String(error)).not.toMatch(new RegExp(`${server.password}|secretword`));
    }
    await stranger.close();
    await nobody.close();
  });
});
