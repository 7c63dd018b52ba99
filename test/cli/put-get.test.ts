import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const SECRET = "correct horse battery staple";

const world = new World();
let server: TestServer;
let env: Record<string, string>;
let passphraseFile: string;

beforeAll(async () => {
  server = await startServer();
  env = { RESTBACKUP_ACCESS_URL: server.accessUrl };
  world.hide(server.password);
  passphraseFile = world.file("passphrase.txt", `${world.hide(SECRET)}\n`);
});
afterAll(async () => {
  await server.close();
  world.remove();
});

const at = (name: string) => join(world.work, name);

/** A file of this many random bytes in the folder to work in. */
function made(name: string, size: number): Buffer {
  const content = randomBytes(size);
  writeFileSync(at(name), content);
  return content;
}

/** What the program prints, given this; the server is in this process, so nothing may block it. */
async function piped(args: readonly string[], input?: Uint8Array): Promise<Buffer> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: world.work,
    env: { PATH: process.env.PATH, HOME: world.home, TMPDIR: world.temporary, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(input);
  return buffer(child.stdout);
}

describe("put and get", () => {
  test.each([0, 1, 5_000_000])("bring a file of %d bytes back as it was", async (size) => {
    const content = made(`plain-${size}`, size);
    const put = await world.run(["put", `plain-${size}`, `folder/plain ${size}`], { env });
    expect([put.code, put.stderr]).toEqual([0, expect.not.stringContaining("error")]);
    const stored = await fetch(`${server.url}folder/plain%20${size}`, {
      headers: { authorization: `Basic ${btoa(`${server.username}:${server.password}`)}` },
    });
    expect(Buffer.from(await stored.arrayBuffer()).equals(content)).toBe(true);
    expect((await world.run(["get", `folder/plain ${size}`, `back-${size}`], { env })).code).toBe(
      0,
    );
    expect(readFileSync(at(`back-${size}`)).equals(content)).toBe(true);
  });

  test("take the names that are left out from each other, and the API's slash", async () => {
    const content = made("named", 10);
    await world.run(["put", "named"], { env });
    rmSync(at("named"));
    const { file } = await world.json(["get", "/named"], { env });
    expect(file).toBe(at("named"));
    mkdirSync(at("into"));
    await world.run(["get", "named", "into"], { env });
    expect(readFileSync(at("into/named")).equals(content)).toBe(true);
  });

  test("pass standard input and output through byte for byte", async () => {
    const content = randomBytes(3_000_000);
    await piped(["put", "-", "piped"], content);
    expect((await piped(["get", "piped", "-"])).equals(content)).toBe(true);
    expect(readdirSync(world.temporary)).toEqual([]);
  });

  test("never replace: neither what is stored, nor a file that is there", async () => {
    made("once", 100);
    await world.run(["put", "once"], { env });
    const kept = made("once", 100);
    const again = await world.run(["put", "once"], { env });
    expect([again.code, again.stderr]).toEqual([6, expect.stringContaining("once")]);
    const refused = await world.run(["get", "once"], { env });
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--overwrite")]);
    expect(readFileSync(at("once")).equals(kept)).toBe(true);
    expect((await world.run(["get", "once", "--overwrite"], { env })).code).toBe(0);
    expect(readFileSync(at("once")).equals(kept)).toBe(false);
  });

  test("say what is missing, and leave nothing behind", async () => {
    const before = readdirSync(world.work).sort();
    const get = await world.run(["get", "not-there"], { env });
    expect(get.code).toBe(3);
    const put = await world.run(["put", "no-such-file"], { env });
    expect(put.code).toBe(1);
    expect((await world.run(["put", "-"], { env })).code).toBe(2);
    expect(readdirSync(world.work).sort()).toEqual(before);
  });
});

describe("encrypt-and-put and get-and-decrypt", () => {
  const flags = () => ["--passphrase-file", passphraseFile];

  test.each([0, 7, 2_000_000])("keep %d bytes from whoever reads the store", async (size) => {
    const content = made(`secret-${size}`, size);
    await world.run(["encrypt-and-put", `secret-${size}`, ...flags()], { env });
    await world.run(["get", `secret-${size}`, `seen-${size}`], { env });
    const seen = readFileSync(at(`seen-${size}`));
    expect(seen.length).toBeGreaterThan(size);
    if (size > 0) expect(seen.includes(content)).toBe(false);
    const back = ["get-and-decrypt", `secret-${size}`, `back-secret-${size}`, ...flags()];
    expect((await world.run(back, { env })).code).toBe(0);
    expect(readFileSync(at(`back-secret-${size}`)).equals(content)).toBe(true);
  });

  test("take the passphrase from the environment too, and from nowhere else", async () => {
    made("by-env", 10);
    const both = { ...env, RESTBACKUP_PASSPHRASE: SECRET };
    expect((await world.run(["encrypt-and-put", "by-env"], { env: both })).code).toBe(0);
    const none = await world.run(["get-and-decrypt", "by-env", "x"], { env });
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("--passphrase-file")]);
  });

  test("a wrong passphrase and a flipped bit make no file", async () => {
    made("guarded", 200_000);
    await world.run(["encrypt-and-put", "guarded", ...flags()], { env });
    const wrong = world.file("wrong.txt", "something else\n");
    const guessed = await world.run(
      ["get-and-decrypt", "guarded", "out-1", "--passphrase-file", wrong],
      { env },
    );
    expect([4, 5]).toContain(guessed.code);
    await world.run(["get", "guarded", "raw"], { env });
    const raw = readFileSync(at("raw"));
    raw[100_000] = raw[100_000]! ^ 1;
    writeFileSync(at("raw"), raw);
    await world.run(["put", "raw", "spoiled"], { env });
    const spoiled = await world.run(["get-and-decrypt", "spoiled", "out-2", ...flags()], { env });
    expect(spoiled.code).toBe(5);
    expect([existsSync(at("out-1")), existsSync(at("out-2"))]).toEqual([false, false]);
  });
});

describe("passphrase", () => {
  test("is eight words of a list of 2048, 88 bits, and never the same", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const { passphrase, bits } = await world.json(["passphrase"]);
      expect(String(passphrase)).toMatch(/^[a-z]+( [a-z]+){7}$/);
      expect(bits).toBe(88);
      seen.add(String(passphrase));
    }
    expect(seen.size).toBe(3);
  });

  test("goes to a file for its owner alone, and is then not shown", async () => {
    const { code, stdout, stderr } = await world.run([
      "passphrase",
      "--words",
      "10",
      "-o",
      "pass.txt",
    ]);
    expect(code).toBe(0);
    const text = readFileSync(at("pass.txt"), "utf8").trim();
    expect(text.split(" ")).toHaveLength(10);
    expect(stdout + stderr).not.toContain(text);
    expect(statSync(at("pass.txt")).mode & 0o777).toBe(0o600);
    expect((await world.run(["passphrase", "-o", "pass.txt"])).code).toBe(2);
  });

  test("has no fewer than six words", async () => {
    expect((await world.run(["passphrase", "--words", "5"])).code).toBe(2);
  });
});
