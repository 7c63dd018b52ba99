import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decryptAge, encryptAge, generateIdentity, parseKey } from "../../src/index.ts";
import { requireProgram } from "../support/programs.ts";
import { temporaryFolder } from "../support/server.ts";

const hasChromium = requireProgram("chromium", "age files of the library open in a browser");
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CONTENT = randomBytes(200_000);

/** What a page does: opens what we made, and makes what we open, in streams. */
const PAGE = `
  import { Decrypter, Encrypter } from "age-encryption";
  const pass = (secret) => secret.startsWith("AGE-SECRET-KEY-");
  window.open_ = async (secret) => {
    const decrypter = new Decrypter();
    if (pass(secret)) decrypter.addIdentity(secret); else decrypter.addPassphrase(secret);
    const plain = await decrypter.decrypt((await fetch("/file")).body);
    const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    return { size: bytes.length, sha256: new Uint8Array(digest).toHex?.() ?? hex(digest) };
  };
  window.make = async (recipient) => {
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    return Array.from(await encrypter.encrypt("from a page"));
  };
  const hex = (buffer) =>
    [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
`;

interface PageWindow {
  open_(secret: string): Promise<{ size: number; sha256: string }>;
  make(recipient: string): Promise<number[]>;
}

let server: Server;
let file: Buffer = Buffer.alloc(0);
let profile: string;
let browser: BrowserContext;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  if (!hasChromium) return;
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir: ROOT },
    ...{ bundle: true, write: false, platform: "browser", format: "esm" },
  });
  server = createServer((request, response) => {
    const [type, body] =
      request.url === "/page.js"
        ? ["text/javascript", outputFiles[0]!.text]
        : request.url === "/file"
          ? ["application/octet-stream", file]
          : [
              "text/html",
              '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
            ];
    response.setHeader("content-type", type).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  profile = temporaryFolder("chromium");
  const folders = process.env.PATH!.split(delimiter);
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: folders.map((folder) => join(folder, "chromium")).find(existsSync)!,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  if (profile !== undefined) await rm(profile, { recursive: true, force: true });
});

describe.runIf(hasChromium)("in Chromium", () => {
  const sha256 = async (bytes: Uint8Array<ArrayBuffer>) =>
    Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");

  test.each([
    ["a key", async () => (await generateIdentity()).identity],
    ["a post-quantum key", async () => (await generateIdentity({ postQuantum: true })).identity],
    ["a passphrase", async () => "correct horse battery staple"],
  ])("age-encryption opens what encryptAge made for %s, as it comes", async (_, secretOf) => {
    const secret = await secretOf();
    const key = await parseKey(secret);
    file = Buffer.concat(await Array.fromAsync(encryptAge([CONTENT], { key })));
    const open = (text: string) => (globalThis as unknown as PageWindow).open_(text);
    expect(await page.evaluate(open, secret)).toEqual({
      size: CONTENT.length,
      sha256: await sha256(CONTENT),
    });
    // What was changed is refused there too.
    file[file.length - 100]! ^= 1;
    await expect(page.evaluate(open, secret)).rejects.toThrow();
    expect(complaints).toEqual([]);
  });

  test("age-encryption makes what decryptAge opens", async () => {
    const { identity, recipient } = await generateIdentity();
    const make = (text: string) => (globalThis as unknown as PageWindow).make(text);
    const made = Buffer.from(await page.evaluate(make, recipient));
    const plain = await Array.fromAsync(decryptAge([made], await parseKey(identity)));
    expect(Buffer.concat(plain).toString()).toBe("from a page");
  });
});
