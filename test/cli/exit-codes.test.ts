import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import { type ErrorCode, RestbackupError } from "../../src/errors.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { World } from "./world.ts";

test("each kind of failure has the exit code that --help promises", () => {
  const codes: [ErrorCode, number][] = [
    ["usage", 2],
    ["target-exists", 2],
    ["not-found", 3],
    ["wrong-key", 4],
    ["damaged", 5],
    ["unauthentic", 5],
    ["store-refused", 6],
    ["store-unreachable", 6],
    ["name-taken", 6],
    ["stale", 7],
    ["incomplete", 9],
    ["io", 1],
  ];
  for (const [code, exit] of codes) expect(exitCodeOf(new RestbackupError(code, ""))).toBe(exit);
  expect(exitCodeOf(new TypeError())).toBe(1);
});

describe.concurrent("with one backup in the embedded store", () => {
  const world = new World();
  let server: TestServer;
  let entry: string;

  beforeAll(async () => {
    server = await startServer();
    world.hide(server.password);
    const made = await world.json(["backup", "website"]);
    entry = made.entry;
    world.hide(/^AGE-SECRET-KEY-.*$/m.exec(readFileSync(world.keyFile, "utf8"))![0]);
  });
  afterAll(async () => {
    await server?.close();
    world.remove();
  });

  test("a restore is done: 0, and everything is there", async () => {
    const { code, stdout } = await world.run(["restore", entry, "--to", "out"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Restored ${entry}`);
    expect(stdout).toContain("verified");
    expect(stdout).toContain("a holder of the key, proven");
    expect(readFileSync(join(world.work, "out", "docs", "a b.txt"), "utf8")).toBe("text\n");
    expect(readdirSync(join(world.work, "out"))).toEqual(readdirSync(world.tree));
  });

  test("a target that is not empty: 2, with a way out", async () => {
    const { code, stderr } = await world.run(["restore"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^restbackup: .*website is not empty\.\n.*--overwrite/m);
  });

  test("a name that is not there: 3", async () => {
    for (const args of [
      ["restore", "--name", "other", "--to", "x"],
      ["list", "--name", "other"],
    ]) {
      const { code, stderr, stdout } = await world.run(args);
      expect(code).toBe(3);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^restbackup: No backup named other is in file:/m);
    }
  });

  test("a path that is not there: 3", async () => {
    expect((await world.run(["backup", "nowhere", "--name", "website"])).code).toBe(3);
  });

  test("another key: 4", async () => {
    const { file } = await world.newKey("other.txt");
    const { code } = await world.run(["restore", "--to", "x4", "--key-file", file]);
    expect(code).toBe(4);
    expect(existsSync(join(world.work, "x4"))).toBe(false);
  });

  test("a byte that changed: 5, and the target is not made", async () => {
    const store = world.storeUrl("damaged");
    const { file } = await world.newKey("damaged.txt");
    const all = ["--store", store, "--key-file", file];
    const made = await world.json(["backup", "website", ...all]);
    const stored = join(world.root, "damaged", made.entry);
    const bytes = readFileSync(stored);
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(stored, bytes);
    const { code } = await world.run(["restore", "--to", "x5", ...all]);
    expect(code).toBe(5);
    expect(existsSync(join(world.work, "x5"))).toBe(false);
    expect((await world.run(["verify", ...all])).code).toBe(5);
  });

  test("unauthenticated: 5, unless it is allowed", async () => {
    const { file, recipient } = await world.newKey("unauthenticated.txt");
    const store = ["--store", world.storeUrl("unauthenticated")];
    const made = await world.run(["backup", "website", "--recipient", recipient, ...store]);
    expect(made.code).toBe(0);
    expect(made.stdout).toContain("--allow-unauthenticated");
    const read = ["--key-file", file, ...store];
    const { code, stderr } = await world.run(["verify", ...read]);
    expect(code).toBe(5);
    expect(stderr).toContain("--allow-unauthenticated");
    const allowed = await world.run(["verify", "--allow-unauthenticated", ...read]);
    expect(allowed.code).toBe(0);
    expect(allowed.stdout).toContain("UNAUTHENTICATED");
  });

  test("a server that says no: 6, without the password", async () => {
    const wrong = server.accessUrl.replace(server.password, world.hide("wrongpassword1"));
    const { code, stderr } = await world.run(["list"], { env: { RESTBACKUP_ACCESS_URL: wrong } });
    expect(code).toBe(6);
    expect(stderr).toMatch(/^restbackup: /);
  });

  test("older than --max-age: 7; within it: 0", async () => {
    const old = await world.run(["verify", "--name", "website", "--max-age", "0s"]);
    expect(old.code).toBe(7);
    expect((await world.run(["verify", entry, "--max-age", "26h"])).code).toBe(0);
  });

  test("a machine that fails: 1", async () => {
    const { code, stderr } = await world.run(["restore", "--to", "website/index.html/x"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^restbackup: Cannot restore to /m);
  });

  test("misuse: 2, in a sentence, without a stack trace", async () => {
    for (const [args, words] of [
      [["lst"], "Unknown command 'lst'"],
      [["list", "--nmae", "x"], "Unknown option '--nmae'"],
      [["backup"], "Missing required argument 'path'"],
      [["serve"], "'--data <folder>' not specified"],
      [["restore", "website"], "--name website"],
      [["restore", entry, "--name", "website"], "--name and --at"],
      [["restore", "--at", "yesterday"], '"yesterday" is not a time'],
      [["verify", "--max-age", "old"], "not a duration"],
      [["backup", "website", "--level", "20"], "from 1 to 19"],
      [["backup", "website", "--volume-size", "many"], "not a size"],
      [["backup", "website", "--name", "a//b"], "cannot be a backup name"],
      [["backup", "/"], "--name"],
    ] as const) {
      const { code, stderr, stdout } = await world.run(args);
      expect([args, code]).toEqual([args, 2]);
      expect(stderr).toContain(words);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(stdout).toBe("");
    }
  });
});
