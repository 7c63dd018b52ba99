import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changeAccount } from "../../src/server/account-changes.ts";
import { Accounts, createAccount } from "../../src/server/accounts.ts";
import { Expiry } from "../../src/server/retention.ts";
import { createBackupServer } from "../../src/server/server.ts";
import type { ServerEvent } from "../../src/server/server-event.ts";
import { Sweeper, type SweepReport } from "../../src/server/sweep.ts";
import { sweepEvents } from "../../src/server/sweep-events.ts";
import { acceptClock, readClock, TrustedClock } from "../../src/server/trusted-clock.ts";
import { openDirectoryStore } from "../../src/stores/directory.ts";
import type { StoredEntry } from "../../src/stores/store.ts";
import { contentOf, namesIn } from "../stores/content.ts";
import { temporaryFolder } from "../support/server.ts";
import { filesBelow, storeAt } from "./support/stored.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW = 1_795_000_000;

let dataDir: string;
let username: string;
let archives: string;
/** The machine's clocks, in seconds. */
let wall: number;
let up: number;

beforeEach(async () => {
  dataDir = temporaryFolder("sweep");
  ({ username } = await createAccount(dataDir, { retentionDays: 30, clock: () => NOW * 1000 }));
  archives = join(dataDir, "archives", username);
  wall = NOW;
  up = 5 * DAY;
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** As after a start of the server. */
function newSweeper(reports: SweepReport[] = []) {
  const sources = { clock: () => wall * 1000, uptime: () => up, boot: "boot" };
  const clock = new TrustedClock(dataDir, sources);
  const accounts = new Accounts(dataDir, () => clock.now());
  const options = { report: (one: SweepReport) => reports.push(one), firstAfter: 1, interval: 10 };
  return { sweeper: new Sweeper(accounts, clock, options), accounts, sources };
}

function pass(seconds: number): void {
  wall += seconds;
  up += seconds;
}

const nameTaken = (error: unknown) => expect(error).toMatchObject({ code: "name-taken" });

const names = async () => await namesIn(await openDirectoryStore(archives));

describe("a sweep", () => {
  test("deletes what has expired and only that: file, record and emptied folders", async () => {
    await storeAt(archives, NOW - 30 * DAY - 1, { old: "1", "a/b/old": "22", "a/old": "333" });
    await storeAt(archives, NOW - 30 * DAY, { edge: "4", "a/new": "5" });
    await storeAt(archives, NOW, { new: "6" });
    const { sweeper } = newSweeper();
    const report = await sweeper.sweep();
    expect(report.failures).toEqual([]);
    expect(report.accounts).toEqual([
      {
        username,
        deleted: { files: 3, bytes: 6 },
        heldBack: { files: 0, bytes: 0 },
        kept: { files: 3, bytes: 3 },
      },
    ]);
    expect(await names()).toEqual(["a/new", "edge", "new"]);
    expect(await filesBelow(archives)).toEqual([
      ".restbackup/meta/a.d/new",
      ".restbackup/meta/edge",
      ".restbackup/meta/new",
      ".restbackup/version.json",
      "a.d/new",
      "edge",
      "new",
    ]);
    expect(existsSync(join(archives, "a.d", "b.d"))).toBe(false);
    expect(existsSync(join(archives, ".restbackup", "meta", "a.d", "b.d"))).toBe(false);
    expect(sweepEvents(report)).toEqual([
      { level: "info", message: "deleted 3 files (6 B), expired", username },
    ]);
  });

  test("deletes names that are hashes on disk, and more than one batch, by a longer retention later", async () => {
    const long = `${"%".repeat(200)}`;
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`many/${index}`, `${index}`]),
    );
    await storeAt(archives, NOW - 40 * DAY, { [long]: "x", ...many });
    await changeAccount(dataDir, username, { retentionDays: 41 });
    const { sweeper } = newSweeper();
    expect((await sweeper.sweep()).accounts[0]!.deleted.files).toBe(0);
    pass(2 * DAY);
    expect((await sweeper.sweep()).accounts[0]!.deleted.files).toBe(301);
    expect(await filesBelow(archives)).toEqual([".restbackup/version.json"]);
    expect(readdirSync(archives)).toEqual([".restbackup"]);
  });

  test("keeps a complete set of volumes until its newest has expired, then takes the last first", async () => {
    const entry = "site-20261001T000000Z.tar.zst.age";
    await storeAt(archives, NOW - 31 * DAY, { [`${entry}.000`]: "0", [`${entry}.001`]: "1" });
    await storeAt(archives, NOW - 29 * DAY, { [`${entry}.002.last`]: "2" });
    const broken = "site-20261002T000000Z.tar.zst.age";
    await storeAt(archives, NOW - 31 * DAY, { [`${broken}.000`]: "0" });
    await storeAt(archives, NOW - 29 * DAY, { [`${broken}.002.last`]: "2" });
    const { sweeper } = newSweeper();
    await sweeper.sweep();
    expect(await names()).toEqual([
      `${entry}.000`,
      `${entry}.001`,
      `${entry}.002.last`,
      `${broken}.002.last`,
    ]);
    pass(2 * DAY);
    await sweeper.sweep();
    expect(await names()).toEqual([]);
  });

  test("leaves what it does not know: foreign files, accounts without a record, uploads", async () => {
    await storeAt(archives, NOW - 90 * DAY, { old: "1" });
    writeFileSync(join(archives, "100%"), "foreign");
    mkdirSync(join(archives, "lost+found"));
    const closed = join(dataDir, "archives", "Closed");
    await storeAt(closed, NOW - 900 * DAY, { ancient: "1" });
    const { accounts, sweeper } = newSweeper();
    const store = await accounts.storeOf((await accounts.find(username))!);
    const upload = store.create("uploading", {
      size: 2,
      stream: (async function* () {
        yield Buffer.from("a");
        await sweeper.sweep();
        yield Buffer.from("b");
      })(),
    });
    await upload;
    expect(await names()).toEqual(["uploading"]);
    expect(readdirSync(archives).sort()).toEqual([
      ".restbackup",
      "100%",
      "lost+found",
      "uploading",
    ]);
    expect(await namesIn(await openDirectoryStore(closed))).toEqual(["ancient"]);
  });

  test("goes on with other accounts where one is damaged, and says so", async () => {
    await storeAt(archives, NOW - 31 * DAY, { old: "1" });
    writeFileSync(join(dataDir, "accounts", "AAA.json"), "{");
    const { sweeper } = newSweeper();
    const report = await sweeper.sweep();
    expect(report.failures).toMatchObject([{ username: "AAA" }]);
    expect(report.failures[0]!.message).toContain("damaged");
    expect(await names()).toEqual([]);
  });

  test("frees the name for a new upload at once, and a download under way ends whole", async () => {
    const text = "x".repeat(3_000_000);
    await storeAt(archives, NOW - 31 * DAY, { old: text });
    const { accounts, sweeper } = newSweeper();
    const store = await accounts.storeOf((await accounts.find(username))!);
    let read = 0;
    for await (const piece of store.get("old")) {
      if (read === 0) await sweeper.sweep();
      read += piece.length;
    }
    expect(read).toBe(text.length);
    expect(await store.stat("old")).toBeUndefined();
    const { sha256 } = await store.put("old", contentOf("new"));
    expect(await store.stat("old")).toMatchObject({ sha256, size: 3 });
  });

  test("beside uploads into the folders it empties hurts none of them", async () => {
    const folders = Array.from({ length: 40 }, (_, index) => `f${index}/${"%".repeat(200)}`);
    const old = Object.fromEntries(folders.map((folder) => [`${folder}/old`, "x"]));
    await storeAt(archives, NOW - 31 * DAY, old);
    const { accounts, sweeper } = newSweeper();
    const store = await accounts.storeOf((await accounts.find(username))!);
    let swept = false;
    const uploaded: string[] = [];
    const put = async (name: string) => {
      const stream = (async function* () {
        yield Buffer.from("n");
      })();
      await store.create(name, { size: 1, stream });
      uploaded.push(name);
    };
    /** Into each folder as long as it is swept; names that the sweep freed are taken again. */
    const upload = async (worker: number) => {
      for (let round = 0; !swept; round += 1) {
        const folder = folders[(round * 8 + worker) % folders.length]!;
        await put(`${folder}/new${worker}-${round}`);
        if (!(await store.has(`${folder}/old`))) await put(`${folder}/old`).catch(nameTaken);
      }
    };
    await Promise.all([
      ...Array.from({ length: 8 }, (_, worker) => upload(worker)),
      sweeper.sweep().then(({ failures }) => {
        swept = true;
        expect(failures).toEqual([]);
      }),
    ]);
    expect(await names()).toEqual(uploaded.sort());
    for (const name of uploaded) expect(await store.stat(name)).toMatchObject({ name, size: 1 });
  });

  test("that tidies up leaves the folders of uploads that are just being placed", async () => {
    const store = await openDirectoryStore(archives, { create: true });
    let done = false;
    const put = async (worker: number) => {
      for (let round = 0; round < 25; round += 1) {
        await store.put(`f${worker}-${round}/${"%".repeat(200)}/new`, contentOf("n"));
      }
    };
    const tidy = async () => {
      while (!done) await store.tidy();
    };
    const uploads = Promise.all(Array.from({ length: 8 }, (_, worker) => put(worker)));
    await Promise.all([tidy(), uploads.finally(() => (done = true))]);
    expect(await names()).toHaveLength(200);
  });

  test("after a crash settles records without files", async () => {
    await storeAt(archives, NOW, { kept: "1", "lost/and/gone": "2" });
    rmSync(join(archives, "lost.d"), { recursive: true });
    const { sweeper } = newSweeper();
    await sweeper.sweep();
    expect(await filesBelow(join(archives, ".restbackup", "meta"))).toEqual(["kept"]);
  });

  test("comes soon after the start and again, and stops in the middle when asked", async () => {
    await storeAt(archives, NOW - 31 * DAY, { old: "1" });
    const reports: SweepReport[] = [];
    const { sweeper } = newSweeper(reports);
    await sweeper.start();
    await expect.poll(() => reports.length).toBeGreaterThan(2);
    await sweeper.stop();
    const count = reports.length;
    expect(await names()).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reports.length).toBe(count);
  });
});

test("a server sweeps by itself, logs what it deleted, and nothing a client sends deletes", async () => {
  const credentials = await createAccount(dataDir, { retentionDays: 30 });
  const basic = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
  const folder = join(dataDir, "archives", credentials.username);
  await storeAt(folder, Math.floor(Date.now() / 1000) - 31 * DAY, { old: "1" });
  await storeAt(folder, Math.floor(Date.now() / 1000), { new: "2" });
  const events: ServerEvent[] = [];
  const reports: SweepReport[] = [];
  const server = createBackupServer({
    dataDir,
    listen: "127.0.0.1:0",
    firstSweepAfter: 500,
    log: (event) => events.push(event),
    onSweep: (report) => reports.push(report),
  });
  const { url } = await server.listen();
  const request = async (path: string, method: string, headers = {}) => {
    const all = { authorization: `Basic ${basic}`, ...headers };
    const response = await fetch(`${url}${path}`, { method, headers: all });
    return { status: response.status, text: await response.text() };
  };
  for (const [path, method, headers] of [
    ["new", "DELETE", {}],
    ["new", "POST", { "X-HTTP-Method-Override": "DELETE" }],
    ["", "DELETE", {}],
    [".restbackup/meta/new", "DELETE", {}],
  ] as const) {
    expect((await request(path, method, headers)).status).toBe(405);
  }
  await expect.poll(() => reports.length, { timeout: 10_000 }).toBe(1);
  const { text } = await request("", "GET");
  expect((JSON.parse(text) as { name: string }[]).map(({ name }) => name)).toEqual(["/new"]);
  expect(events).toContainEqual({
    level: "info",
    message: "deleted 1 file (1 B), expired",
    username: credentials.username,
  });
  await server.close();
});

describe("when the clock leaps ahead", () => {
  beforeEach(async () => {
    await storeAt(archives, NOW - 29 * DAY, { elder: "1" });
    await storeAt(archives, NOW, { latest: "22" });
  });

  test("a sweep holds back what expired by the leap alone, and says so", async () => {
    const { sweeper } = newSweeper();
    await sweeper.sweep();
    wall += 400 * DAY;
    pass(HOUR);
    const report = await sweeper.sweep();
    expect(await names()).toEqual(["elder", "latest"]);
    expect(report.accounts[0]).toMatchObject({
      deleted: { files: 0 },
      heldBack: { files: 2, bytes: 3 },
      kept: { files: 2, bytes: 3 },
    });
    const events = sweepEvents(report);
    expect(events.map(({ level }) => level)).toEqual(["error", "error"]);
    expect(events[0]!.message).toMatch(/9,600 hours ahead of .*clock --accept.*168 hours more/);
    // By what is known to have passed the elder one does expire meanwhile.
    pass(2 * DAY);
    await sweeper.sweep();
    expect(await names()).toEqual(["latest"]);
  });

  test("while the server is down, the next one holds back too, on the word of what was written", async () => {
    await newSweeper().sweeper.sweep();
    wall += 400 * DAY;
    await newSweeper().sweeper.sweep();
    expect(await names()).toEqual(["elder", "latest"]);
  });

  test("and nothing was ever written down, the newest file tells", async () => {
    wall += 400 * DAY;
    await newSweeper().sweeper.sweep();
    expect(await names()).toEqual(["elder", "latest"]);
  });

  test("and it holds for a week of running, it is believed", async () => {
    const { sweeper } = newSweeper();
    await sweeper.sweep();
    wall += 400 * DAY;
    for (let hour = 0; hour < 7 * 24; hour += 12) {
      await sweeper.sweep();
      expect(await names()).toContain("latest");
      pass(12 * HOUR);
    }
    await sweeper.sweep();
    expect(await names()).toEqual([]);
  });

  test("and the operator accepts the clock, the running server follows at its next sweep", async () => {
    const { sweeper, sources } = newSweeper();
    await sweeper.sweep();
    wall += 400 * DAY;
    await sweeper.sweep();
    expect(await readClock(dataDir, sources)).toMatchObject({ leap: { believedIn: 7 * DAY } });
    await acceptClock(dataDir, sources);
    expect((await readClock(dataDir, sources))!.leap).toBeUndefined();
    await sweeper.sweep();
    expect(await names()).toEqual([]);
  });

  test("and back, nothing is lost, and uploads in between are dated by what is known", async () => {
    const { sweeper, accounts } = newSweeper();
    await sweeper.sweep();
    wall = 1000;
    up += HOUR;
    await sweeper.sweep();
    const store = await accounts.storeOf((await accounts.find(username))!);
    const { createtime } = await store.put("in-1970", contentOf("x"));
    expect(createtime).toBe(NOW + HOUR);
    wall = NOW + HOUR;
    await sweeper.sweep();
    expect(await names()).toEqual(["elder", "in-1970", "latest"]);
  });
});

test("a sweep on a full disk deletes all the same, by the time it remembers", async () => {
  await storeAt(archives, NOW - 31 * DAY, { old: "1" });
  const { sweeper } = newSweeper();
  // A folder in place of the lock: it cannot be taken, as on a disk without room for a file.
  mkdirSync(join(dataDir, "clock.json"));
  const report = await sweeper.sweep();
  expect(report.clock!.unsaved).toBeDefined();
  expect(await names()).toEqual([]);
});

test("whatever volumes there are, nothing goes before its time, and no complete set in parts", () => {
  const volume = fc.record({
    index: fc.integer({ min: 0, max: 3 }),
    last: fc.boolean(),
    age: fc.integer({ min: 28, max: 32 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(volume, { selector: (one) => `${one.index}${one.last}` }), (all) => {
      const name = "n-20261001T000000Z.tar.zst.age";
      const entries = all.map(
        ({ index, last, age }): StoredEntry => ({
          name: `${name}.00${index}${last ? ".last" : ""}`,
          size: 1,
          createtime: NOW - age * DAY,
        }),
      );
      const expiry = new Expiry({ retentionDays: 30 }, NOW);
      const kept = entries.filter((entry) => expiry.judge(entry) === "kept");
      const settled = expiry.settle();
      const gone = [...settled.lasts, ...settled.others];
      expect(new Set([...gone, ...settled.kept, ...kept])).toEqual(new Set(entries));
      for (const { createtime } of gone) expect(createtime).toBeLessThan(NOW - 30 * DAY);
      const complete =
        all.length > 0 &&
        [...all]
          .sort((a, b) => a.index - b.index)
          .every(({ index, last }, at) => index === at && last === (at === all.length - 1));
      if (complete) expect([0, all.length]).toContain(gone.length);
      else expect(settled.kept).toEqual([]);
      for (const { name } of settled.others) expect(name).not.toContain("last");
    }),
  );
});
