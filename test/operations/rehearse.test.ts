import fs from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { runCommand } from "../../src/operations/command.ts";
import { compareFolders } from "../../src/operations/compare.ts";
import { restoreWithFallback } from "../../src/operations/fallback.ts";
import { incompleteNewest, newestFirst, requireComplete } from "../../src/operations/newest.ts";
import { createPinger } from "../../src/operations/ping.ts";
import { type RehearseOptions, rehearse } from "../../src/operations/rehearse.ts";
import { withScratchFolder } from "../../src/operations/scratch.ts";
import { parsePercent } from "../../src/operations/units.ts";
import {
  contentsOf,
  listingOnly,
  newWorld,
  refusalOf,
  StoreBetween,
  temporaryFolder,
  unprivileged,
  windows,
  writeTree,
} from "./world.ts";

const FILES = { a: "alpha\n", "sub/b": "beta\n".repeat(100) };

/** A world with a rehearsal that remembers what it was told. */
async function rehearsing() {
  const world = await newWorld();
  const good: string[] = [];
  let count = 0;
  return {
    ...world,
    good,
    rehearse: (options: Partial<RehearseOptions> = {}) =>
      rehearse({
        store: world.store,
        key: world.key,
        name: "site",
        to: join(world.folder, `scratch-${count++}`),
        onGood: ({ entry }) => good.push(entry),
        ...options,
      }),
    spoil: (entry: string) => fs.truncateSync(world.file(entry), 300),
  };
}

describe("a rehearsal", () => {
  test("restores what was backed up, and tells of the one before", async () => {
    const world = await rehearsing();
    const { entry: before } = await world.backUp(FILES);
    const { entry } = await world.backUp(FILES);
    const result = await world.rehearse({ shrinkLimit: 0, maxAge: 60 });
    expect(contentsOf(result.to)).toEqual({ a: "alpha\n", "sub/": "", "sub/b": FILES["sub/b"] });
    expect(result.archive.entry).toBe(entry);
    expect(result.previous?.archive.entry).toBe(before);
    expect(world.good).toEqual([entry]);
  });

  test("of a spoiled one looks on until one is good, however many are not", async () => {
    const world = await rehearsing();
    const entries: string[] = [];
    for (let count = 0; count < 4; count++) entries.push((await world.backUp(FILES)).entry);
    for (const entry of entries.slice(1)) world.spoil(entry);
    const error = await refusalOf(world.rehearse());
    expect(error.code).toBe("damaged");
    expect(error.hint).toContain(`The newest that is good is ${entries[0]}`);
    expect(world.good).toEqual([entries[0]]);
    world.spoil(entries[0]!);
    expect((await refusalOf(world.rehearse())).hint).toContain("Of 3 older backups none is good");
  });

  test("compares sizes with the last one that can be read, in bytes and in files", async () => {
    const world = await rehearsing();
    await world.backUp({ a: "x".repeat(1000), b: "", c: "", d: "" });
    world.spoil((await world.backUp({ a: "" })).entry);
    await world.backUp({ a: "x".repeat(500), b: "" });
    await world.rehearse({ shrinkLimit: 0.5 });
    for (const files of [{ a: "x".repeat(499), b: "" }, { a: "x".repeat(1000) }]) {
      const smaller = await rehearsing();
      await smaller.backUp({ a: "x".repeat(1000), b: "", c: "", d: "" });
      await smaller.backUp(files);
      expect((await refusalOf(smaller.rehearse({ shrinkLimit: 0.5 }))).code).toBe(
        "rehearsal-failed",
      );
      await smaller.rehearse({ shrinkLimit: 1 });
    }
  });

  test("of a stale one restores nothing", async () => {
    const world = await rehearsing();
    await world.backUp(FILES);
    const now = new Date(Date.now() + 3_600_000);
    expect((await refusalOf(world.rehearse({ maxAge: 1800, now }))).code).toBe("stale");
    expect(fs.existsSync(join(world.folder, "scratch-0"))).toBe(false);
  });

  test("does not blame backups for a store that fails", async () => {
    const world = await rehearsing();
    await world.backUp(FILES);
    await world.backUp(FILES);
    const store = new StoreBetween(world.store);
    store.beforeGet = () => {
      throw new Error("cut");
    };
    await expect(world.rehearse({ store })).rejects.toThrow("cut");
    expect(world.good).toEqual([]);
  });
});

describe("the newest", () => {
  const stored = (name: string, createtime: number) => ({ name, createtime, size: 1 });
  const site = (second: string, volume = "") => `site-20261123T0000${second}Z.tar.zst.age${volume}`;

  test.each([
    ["volume 001 is missing", [".000", ".002.last"]],
    ["volume 000 and 1 more are missing", [".002.last"]],
    ["its end is missing", [".000", ".001"]],
  ])("counts although %s", async (what, volumes) => {
    const store = listingOnly([
      stored(site("01"), 100),
      ...volumes.map((volume) => stored(site("02", volume), 200)),
    ]);
    const [newest, older] = await newestFirst(store, { name: "site" });
    expect([newest.entry, older?.entry]).toEqual([site("02"), site("01")]);
    expect(() => requireComplete(newest, "It")).toThrow(what);
    expect((await incompleteNewest(store, { name: "site" }))?.message).toContain(what);
    expect(await incompleteNewest(store, { entry: site("01") })).toBeUndefined();
    const [then] = await newestFirst(store, { name: "site", at: new Date(150_000) });
    expect(then.entry).toBe(site("01"));
  });

  test("of no name is asked for, where there are several", async () => {
    const store = listingOnly([stored(site("01"), 1), stored("x-20261123T000000Z.tar.zst.age", 2)]);
    expect((await refusalOf(newestFirst(store, {}))).code).toBe("usage");
    expect((await refusalOf(newestFirst(store, { name: "y" }))).code).toBe("not-found");
    expect((await refusalOf(newestFirst(store, { entry: site("09") }))).code).toBe("not-found");
  });
});

test("a fallback says what is wrong with the newest when none is good, and leaves nothing", async () => {
  const world = await rehearsing();
  const entries = [(await world.backUp(FILES)).entry, (await world.backUp(FILES)).entry];
  for (const entry of entries) world.spoil(entry);
  const passed: string[] = [];
  const to = join(world.folder, "to");
  const { store, key } = world;
  const error = await refusalOf(
    restoreWithFallback({ store, key, to, onPassedOver: ({ entry }) => passed.push(entry) }),
  );
  expect(error.hint).toContain("Of 2 backups none can be restored");
  expect(passed).toEqual(entries.toReversed());
  expect(fs.existsSync(to)).toBe(false);
});

test.skipIf(windows)("a scratch folder goes, also with what a restore made read-only", async () => {
  const parent = temporaryFolder();
  fs.chmodSync(parent, 0o777);
  const left: string[] = [];
  const work = async (folder: string) => {
    writeTree(join(folder, "restored"), { "sub/file": "" });
    for (const part of ["restored/sub", "restored"]) fs.chmodSync(join(folder, part), 0o500);
    throw new Error("failed");
  };
  await unprivileged(() =>
    expect(withScratchFolder(parent, work, (folder) => left.push(folder))).rejects.toThrow(
      "failed",
    ),
  );
  expect([fs.readdirSync(parent), left]).toEqual([[], []]);
});

describe("a comparison", () => {
  async function differences(
    change: (folder: string) => void,
    exclude: readonly string[] = [],
  ): Promise<string> {
    const folder = fs.mkdtempSync(join(tmpdir(), "compare-"));
    onTestFinished(() => fs.rmSync(folder, { recursive: true }));
    const files = { ...FILES, big: Buffer.alloc(600_000, "0123456789") };
    const [one, other] = ["one", "other"].map((name) => writeTree(join(folder, name), files));
    if (!windows) for (const tree of [one!, other!]) fs.symlinkSync("a", join(tree, "link"));
    change(other!);
    try {
      await compareFolders(one!, other!, { exclude });
      return "";
    } catch (error) {
      return (error as { hint: string }).hint;
    }
  }
  const edit = (name: string, at: number) => (folder: string) => {
    const bytes = fs.readFileSync(join(folder, name));
    bytes[at]! ^= 1;
    fs.writeFileSync(join(folder, name), bytes);
  };

  test.each<[string, string, (folder: string) => void]>([
    ["nothing", "", () => {}],
    ["times and modes", "", (at) => fs.utimesSync(join(at, "a"), 1, 1)],
    ["the last byte of a big file", "big has another content", edit("big", 599_999)],
    ["a byte far below", "sub/b has another content", edit("sub/b", 77)],
    ["a longer file", "a has another content", (at) => fs.appendFileSync(join(at, "a"), "x")],
    [
      "a missing folder",
      "sub is only in the backup",
      (at) => fs.rmSync(join(at, "sub"), { recursive: true }),
    ],
    [
      "one more file",
      "sub/c is not in the backup",
      (at) => fs.writeFileSync(join(at, "sub/c"), ""),
    ],
    [
      "a folder for a file",
      "a is a file in the backup, and a folder there",
      (at) => {
        fs.rmSync(join(at, "a"));
        fs.mkdirSync(join(at, "a"));
      },
    ],
  ])("finds %s", async (_, found, change) => {
    expect(await differences(change)).toBe(found);
  });

  test.skipIf(windows)("finds links, programs and names that are not UTF-8", async () => {
    const relink = (at: string) => {
      fs.rmSync(join(at, "link"));
      fs.symlinkSync("big", join(at, "link"));
      fs.chmodSync(join(at, "a"), 0o755);
      fs.writeFileSync(Buffer.concat([Buffer.from(`${at}/latin-`), Buffer.of(0xe9)]), "");
    };
    expect((await differences(relink)).split("\n").toSorted()).toEqual([
      "a cannot be executed in the backup",
      "latin-\\xe9 is not in the backup",
      "link points elsewhere",
    ]);
    expect(await differences(relink, ["link", "a", "latin-*"])).toBe("");
  });

  test("shows ten differences and counts the others", async () => {
    const add = (at: string) => {
      for (let count = 0; count < 25; count++) fs.writeFileSync(join(at, `n${count}`), "");
    };
    const lines = (await differences(add)).split("\n");
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe("and 15 more");
  });
});

describe.skipIf(windows)("a command", () => {
  async function ran(line: string, signal?: AbortSignal): Promise<string[]> {
    const lines: string[] = [];
    const env = { PATH: process.env.PATH, GIVEN: "given" };
    await runCommand(temporaryFolder(), { line, env, onLine: (text) => lines.push(text) }, signal);
    return lines;
  }

  test("gets its variables and no others, and no input", async () => {
    expect(await ran('echo "$GIVEN $HOME"; cat; echo end >&2')).toEqual(["given ", "end"]);
  });

  test("stops at the first line that fails, or by a signal", async () => {
    await expect(ran("false\ntrue")).rejects.toThrow("failed with exit code 1");
    await expect(ran("kill -9 $$")).rejects.toThrow("was ended by SIGKILL");
  });

  test("does not wait for what it leaves running", async () => {
    expect(await ran("sleep 60 & echo done")).toEqual(["done"]);
  });

  test("is stopped with all it started", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("stopped")), 200);
    await expect(ran("sleep 60 & wait", controller.signal)).rejects.toThrow("stopped");
  });
});

describe("a ping", () => {
  async function service(answer: (request: IncomingMessage, count: number) => number) {
    const asked: string[] = [];
    const server = createServer(async (request, response) => {
      const body = (await request.toArray()).join("");
      asked.push(`${request.url} ${request.headers.authorization ?? ""} ${body}`);
      response.writeHead(answer(request, asked.length)).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const warnings: string[] = [];
    const pinger = (path: string, user = "") =>
      createPinger(`http://${user}127.0.0.1:${(server.address() as AddressInfo).port}${path}`, {
        env: {},
        onWarning: (message) => warnings.push(message),
      });
    return { asked, warnings, pinger };
  }

  test("goes to the url, or below it, whatever it ends with", async () => {
    const { asked, warnings, pinger } = await service(() => 200);
    await pinger("/ping/uuid/?a=b", "user:pass@").ping("start");
    await pinger("/").ping("success", "fine");
    await pinger("").ping("fail", "x".repeat(20_000));
    const basic = `Basic ${Buffer.from("user:pass").toString("base64")}`;
    expect(asked).toEqual([
      `/ping/uuid/start?a=b ${basic} `,
      "/  fine",
      `/fail  ${"x".repeat(10_000)}`,
    ]);
    expect(warnings).toEqual([]);
  });

  test("is tried again after a failure of the service, not after a refusal", async () => {
    const busy = await service((_, count) => (count < 3 ? 503 : 200));
    await busy.pinger("/uuid").ping("success");
    expect([busy.asked.length, busy.warnings]).toEqual([3, []]);
    const down = await service(() => 500);
    await down.pinger("/uuid").ping("success");
    expect([down.asked.length, down.warnings]).toEqual([
      3,
      ["The health check could not be told of the success: it answered 500."],
    ]);
    const gone = await service(() => 404);
    await gone.pinger("/uuid").ping("fail");
    expect([gone.asked.length, gone.warnings.length]).toEqual([1, 1]);
  });

  test.each(["", "nowhere", "ftp://host/x", "file:///x"])("to %j is refused", (url) => {
    expect(() => createPinger(url, { env: {}, onWarning: () => {} })).toThrow("not one");
  });
});

test("percentages are parts of one, and nothing else", () => {
  expect(["0%", "50%", "12.5 %", "100", " 7% "].map(parsePercent)).toEqual([
    0, 0.5, 0.125, 1, 0.07,
  ]);
  for (const text of ["", "%", "-1%", "101%", "half", "1e1%", "NaN"]) {
    expect(() => parsePercent(text)).toThrow("not a percentage");
  }
});
