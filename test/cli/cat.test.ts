import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { startServer } from "../support/server.ts";
import { World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const BIG = 20 * 2 ** 20;

const world = new World();
let entry: string;
beforeAll(async () => {
  writeFileSync(join(world.tree, "big.bin"), randomBytes(BIG));
  writeFileSync(join(world.tree, "empty"), "");
  writeFileSync(join(world.tree, "a-first.txt"), "in the first frame");
  ({ entry } = await world.json(["backup", "website"]));
});
afterAll(() => world.remove());

/** The very bytes that it prints. */
function bytesOf(args: readonly string[]): Buffer {
  return execFileSync(process.execPath, [MAIN, "cat", ...args], {
    cwd: world.work,
    env: { PATH: process.env.PATH, HOME: world.home, TMPDIR: world.temporary },
    maxBuffer: 2 * BIG,
  });
}

describe("cat", () => {
  test("prints a file byte for byte, small, empty or large", () => {
    for (const path of ["index.html", "docs/a b.txt", "empty", "big.bin"]) {
      expect(bytesOf([entry, path]).equals(readFileSync(join(world.tree, path)))).toBe(true);
    }
  });

  test("takes the latest when only a path is given, and paths as people write them", async () => {
    expect(bytesOf(["index.html"]).toString()).toBe("<h1>hello</h1>\n");
    expect(bytesOf(["./docs/a b.txt", "--name", "website"]).toString()).toBe("text\n");
  });

  test("prints the content of a hard link, by whichever name", () => {
    expect(bytesOf([entry, "same.html"]).toString()).toBe("<h1>hello</h1>\n");
  });

  test("says what is not there, is a folder, or is a link, and prints nothing", async () => {
    for (const [path, code, words] of [
      ["nothing", 3, "There is no nothing in"],
      ["index.html/below", 3, "There is no"],
      ["zzz", 3, "There is no"],
      ["docs", 2, "is a folder"],
      ["link", 2, "It points to index.html"],
    ] as const) {
      const outcome = await world.run(["cat", entry, path]);
      expect([path, outcome.code, outcome.stdout]).toEqual([path, code, ""]);
      expect(outcome.stderr).toContain(words);
    }
  });

  test("a reader that has seen enough ends it quietly", async () => {
    const child = spawn(
      "sh",
      ["-c", `"$0" "$1" cat big.bin | head -c 10 | wc -c`, process.execPath, MAIN],
      {
        cwd: world.work,
        env: { PATH: process.env.PATH, HOME: world.home, TMPDIR: world.temporary },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let shown = "";
    child.stdout.on("data", (text) => (shown += text));
    child.stderr.on("data", (text) => (shown += text));
    await once(child, "close");
    expect(shown.trim()).toBe("10");
  });

  test("a damaged archive gives nothing of a small file, and 5", async () => {
    const stored = join(world.storeFolder, entry);
    const kept = readFileSync(stored);
    const sound = createHash("sha256").update(kept).digest("hex");
    const spoiled = Buffer.from(kept);
    for (let at = 400; at < 3_000_000; at += 60_000) spoiled[at] = spoiled[at]! ^ 1;
    renameSync(stored, `${stored}.kept`);
    writeFileSync(stored, spoiled);
    try {
      const outcome = await world.run(["cat", entry, "a-first.txt"]);
      expect([outcome.code, outcome.stdout]).toEqual([5, ""]);
    } finally {
      rmSync(stored);
      renameSync(`${stored}.kept`, stored);
    }
    expect(createHash("sha256").update(readFileSync(stored)).digest("hex")).toBe(sound);
  });

  test("fetches a file over HTTP with little else, across volumes, whichever kind of key", async () => {
    const server = await startServer();
    const { file: plain } = await world.newKey("plain.txt");
    const postQuantum = join(world.root, "post-quantum.txt");
    await world.run(["keygen", "--post-quantum", "-o", postQuantum]);
    try {
      for (const key of [plain, postQuantum]) {
        const { entry: stored } = await world.json(
          ["backup", "website", "--volume-size", "6M", "--key-file", key],
          { env: { RESTBACKUP_ACCESS_URL: server.accessUrl } },
        );
        for (const path of ["a-first.txt", "index.html", "docs/a b.txt"]) {
          const proxy = await startCuttingProxy(server.port, () => undefined);
          const { code, stdout } = await world.run(["cat", stored, path, "--key-file", key], {
            env: { RESTBACKUP_ACCESS_URL: proxy.through(server.accessUrl) },
          });
          const { down } = proxy.counts;
          await proxy.close();
          expect([code, stdout]).toEqual([0, readFileSync(join(world.tree, path), "utf8")]);
          // Of 20 MB: the header, the end, and a part of one frame.
          expect([path, down < 600_000]).toEqual([path, true]);
        }
      }
    } finally {
      await server.close();
    }
  });
});
