import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type RangelessFront, startRangelessFront } from "../support/rangeless-front.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { World } from "./world.ts";

const NOTICE = /^warning: http:\/\/127\.0\.0\.1:\d+\/ sends no part of an archive alone/gm;

const world = new World();
const big = randomBytes(3_000_000);
let server: TestServer;
let front: RangelessFront;
let spoil = false;
let key: string;
let entry: string;
let volumes: string;

beforeAll(async () => {
  server = await startServer();
  front = await startRangelessFront(server.port, (piece, path) => {
    if (!spoil || path === "/") return piece;
    const changed = Buffer.from(piece);
    changed[changed.length >> 1]! ^= 1;
    return changed;
  });
  ({ file: key } = await world.newKey("key.txt"));
  world.hide(server.password);
  mkdirSync(join(world.tree, "deep"));
  writeFileSync(join(world.tree, "deep", "big.bin"), big);
  const backup = (...args: string[]) =>
    world.json(["backup", "website", "--key-file", key, ...args], through());
  ({ entry } = await backup());
  ({ entry: volumes } = await backup("--name", "volumes", "--volume-size", "1M"));
});
afterAll(async () => {
  await front.close();
  await server.close();
  world.remove();
});
beforeEach(() => {
  front.requests.length = 0;
  spoil = false;
});

function through(more: Record<string, string> = {}) {
  return { env: { RESTBACKUP_ACCESS_URL: front.through(server.accessUrl), ...more } };
}

const run = (...args: string[]) => world.run([...args, "--key-file", key], through());

/** What was asked for beside listings, in order. */
const fetched = () => front.requests.filter((request) => request !== "GET /");

/** Scratch files have no name where that can be; nothing is left in either case. */
const left = () => readdirSync(world.temporary).filter((name) => name.startsWith("restbackup-"));

describe("from a server without ranges", () => {
  test("cat says so in one line, reads the whole once, and prints the file", async () => {
    const { code, stdout, stderr } = await run("cat", entry, "index.html");
    expect([code, stdout]).toEqual([0, "<h1>hello</h1>\n"]);
    expect(stderr.match(NOTICE)).toHaveLength(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    // The first is answered with the whole, which is found out and not read.
    expect(fetched()).toEqual([`GET /${entry}`, `GET /${entry}`]);
    expect(left()).toEqual([]);
  });

  test("show says so in one line, and shows what is inside", async () => {
    const { code, stdout, stderr } = await run("show", entry);
    expect(code).toBe(0);
    expect(stdout).toContain("deep/big.bin");
    expect(stderr.match(NOTICE)).toHaveLength(1);
    expect(fetched()).toHaveLength(2);
  });

  test("restore --include brings back what matches, and nothing else", async () => {
    const { code, stderr } = await run(
      ...["restore", entry, "--include", "deep", "--to", "part", "--quiet"],
    );
    expect(code).toBe(0);
    expect(stderr.match(NOTICE)).toHaveLength(1);
    expect(readFileSync(join(world.work, "part", "deep", "big.bin")).equals(big)).toBe(true);
    expect(existsSync(join(world.work, "part", "index.html"))).toBe(false);
    expect(fetched()).toHaveLength(2);
    expect(left()).toEqual([]);
  });

  test("restore, verify and diff work, and say so", async () => {
    for (const args of [
      ["restore", entry, "--to", "all"],
      ["verify", entry],
      ["diff", entry, world.tree],
    ]) {
      const { code, stderr } = await run(...args);
      expect([args[0], code]).toEqual([args[0], 0]);
      expect(stderr.match(NOTICE)).toHaveLength(1);
    }
    expect(readFileSync(join(world.work, "all", "deep", "big.bin")).equals(big)).toBe(true);
  });

  test("of an archive of volumes, each is fetched once at most, and only what is needed", async () => {
    expect((await run("show", volumes)).stdout).toContain("index.html");
    // The header is in the first, which finds it out, and the contents list in the last.
    const [first, last] = [`GET /${volumes}.000`, `GET /${volumes}.002.last`];
    expect(fetched()).toEqual([first, first, last]);
    front.requests.length = 0;
    const { code, stderr } = await run("restore", volumes, "--to", "from-volumes");
    expect([code, stderr.match(NOTICE)?.length]).toEqual([0, 1]);
    expect(fetched()).toEqual([first, first, last, `GET /${volumes}.001`]);
    expect(left()).toEqual([]);
  });

  test("--json has it as a warning", async () => {
    const { code, stdout, stderr } = await run("show", entry, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ entry });
    expect(JSON.parse(stderr)).toMatchObject({ warning: { message: expect.any(String) } });
  });

  test("what was changed on the way is refused, and nothing comes of it", async () => {
    spoil = true;
    for (const args of [
      ["cat", entry, "index.html"],
      ["restore", entry, "--include", "deep", "--to", "spoiled"],
    ]) {
      const { code, stdout } = await run(...args);
      expect(code).toBe(5);
      expect(stdout).toBe("");
    }
    expect(existsSync(join(world.work, "spoiled"))).toBe(false);
    expect(left()).toEqual([]);
  });

  test("a scratch file that cannot be made is said to be, with the way out", async () => {
    const { code, stderr } = await world.run(
      ["cat", entry, "index.html", "--key-file", key],
      through({ TMPDIR: join(world.root, "nowhere") }),
    );
    expect(code).toBe(1);
    expect(stderr).toContain("TMPDIR");
  });
});
