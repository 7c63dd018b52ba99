import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { openDirectoryStore } from "../../src/stores/directory.ts";
import { temporaryFolder } from "../support/server.ts";
import { contentOf } from "./content.ts";

const run = promisify(execFile);
const module = JSON.stringify(new URL("../../src/stores/directory.ts", import.meta.url).href);

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

const SYSTEM_CALLS = "fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir";

/** Runs a script that puts under strace; gives its system calls in the order they returned. */
async function traced(root: string, script: string): Promise<string[]> {
  const log = join(root, "..", `${root.split("/").pop()}.strace`);
  await run("strace", [
    ...["-f", "-y", "-o", log, "-e", `trace=${SYSTEM_CALLS}`],
    ...[process.execPath, "--input-type=module", "-e", script],
  ]);
  const text = readFileSync(log, "utf8");
  await rm(log);
  const pending = new Map<string, string>();
  const calls: string[] = [];
  for (const line of text.split("\n")) {
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (unfinished !== null) pending.set(thread, unfinished[1]!);
    else if (resumed !== null) calls.push(`${pending.get(thread) ?? ""}${resumed[1]}`);
    else calls.push(rest);
  }
  return calls.filter((call) => / = 0$/.test(call)).map((call) => call.replaceAll(root, "ROOT"));
}

describe("an object put into a directory store", () => {
  test("is on stable storage, file and record and every folder, before the put resolves", async (context) => {
    if (!hasStrace) context.skip("strace is not installed");
    const root = temporaryFolder("durable");
    const calls = await traced(
      root,
      `
      const { openDirectoryStore } = await import(${module});
      const store = await openDirectoryStore(${JSON.stringify(root)}, { create: true });
      (await import("node:fs")).mkdirSync(${JSON.stringify(join(root, "begin"))});
      await store.create("folder/object", { size: 5, stream: [Buffer.from("hello")] });
      (await import("node:fs")).mkdirSync(${JSON.stringify(join(root, "resolved"))});`,
    );
    await rm(root, { recursive: true });
    expect(calls.join("\n")).toMatch(/ROOT\/begin[\s\S]*ROOT\/resolved/);
    const during = calls.slice(
      calls.findIndex((call) => call.includes("ROOT/begin")) + 1,
      calls.findIndex((call) => call.includes("ROOT/resolved")),
    );
    const position = (pattern: RegExp): number => {
      const found = during.findIndex((call) => pattern.test(call));
      expect(found, `${pattern} in\n${during.join("\n")}`).toBeGreaterThanOrEqual(0);
      return found;
    };
    const last = (pattern: RegExp) => during.findLastIndex((call) => pattern.test(call));
    const data = position(/^f(?:data)?sync\(\d+<ROOT\/\.restbackup\/tmp\/[^>]*\.data>/);
    const record = position(/^f(?:data)?sync\(\d+<ROOT\/\.restbackup\/tmp\/[^>]*\.meta>/);
    const link = position(/^link(?:at)?\(.*tmp\/.*\.data".*"ROOT\/folder\.d\/object"/);
    const placed = position(
      /^rename.*tmp\/.*\.meta".*"ROOT\/\.restbackup\/meta\/folder\.d\/object"/,
    );
    const removed = position(/^unlink.*tmp\/.*\.data"/);
    expect(data).toBeLessThan(link);
    expect(record).toBeLessThan(link);
    expect(link).toBeLessThan(placed);
    for (const [folder, entry] of [
      ["ROOT/folder\\.d", link],
      ["ROOT", link],
      ["ROOT/\\.restbackup/meta/folder\\.d", placed],
      ["ROOT/\\.restbackup/meta", placed],
    ] as const) {
      const synced = last(new RegExp(`^fsync\\(\\d+<${folder}>`));
      expect(synced, folder).toBeGreaterThan(entry);
      expect(synced, folder).toBeLessThan(removed);
    }
    // Nothing is ever moved onto an object's place: link(2) alone makes objects.
    expect(during.filter((call) => /^rename/.test(call) && !call.includes("/meta/"))).toEqual([]);
  });

  test("takes the disk being full for an io error, leaves nothing, and the name stays free", async (context) => {
    const root = temporaryFolder("full");
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", root]);
    if (mounted.status !== 0) context.skip("a small file system cannot be mounted here");
    try {
      const store = await openDirectoryStore(root, { create: true });
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (;;) yield Buffer.alloc(1024 * 1024, 1);
      }
      const put = store.create("big", { size: 100 * 1024 * 1024, stream: endless() });
      await expect(put).rejects.toMatchObject({ code: "io", cause: { code: "ENOSPC" } });
      expect(await store.stat("big")).toBeUndefined();
      const small = Buffer.alloc(4 * 1024 * 1024);
      await store.create("big", { size: small.length, stream: [small] as never });
    } finally {
      spawnSync("umount", [root]);
      await rm(root, { recursive: true });
    }
  });

  test.skipIf(!hasStrace).each([
    ["file systems without hard links", "link,linkat:error=EPERM", "hard links"],
    ["a folder that cannot be synced after the link", "fsync:error=EIO", "EIO"],
  ])("is refused, in words, and gone again: %s", async (_, fault, words) => {
    const root = temporaryFolder("faulty");
    await openDirectoryStore(root, { create: true });
    const script = `
      const { openDirectoryStore } = await import(${module});
      const store = await openDirectoryStore(${JSON.stringify(root)});
      const put = store.create("a", { size: 1, stream: [Buffer.from("a")] });
      console.log(await put.then(() => "stored", (error) => error.code + " " + error.message));`;
    const calls = fault.split(":")[0];
    const { stdout } = await run("strace", [
      ...["-f", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${fault}`],
      // The store's folder itself is synced only once the object is linked into it.
      ...(calls === "fsync" ? ["-P", root] : []),
      ...[process.execPath, "--input-type=module", "-e", script],
    ]);
    expect(stdout).toMatch(/^io /);
    expect(stdout).toContain(words);
    const store = await openDirectoryStore(root);
    expect(await store.stat("a")).toBeUndefined();
    expect(readdirSync(store.spool)).toEqual([]);
    await store.put("a", contentOf("a"));
    await rm(root, { recursive: true });
  });
});
