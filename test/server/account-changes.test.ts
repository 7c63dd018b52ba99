import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AccountChange,
  changeAccount,
  listAccounts,
  rotatePassword,
} from "../../src/server/account-changes.ts";
import { Accounts, type Credentials, createAccount } from "../../src/server/accounts.ts";
import { hashPassword } from "../../src/server/passwords.ts";
import { temporaryName } from "../../src/stores/temporary-files.ts";
import { temporaryFolder } from "../support/server.ts";

let dataDir: string;
let credentials: Credentials;
let username: string;
beforeEach(async () => {
  dataDir = temporaryFolder("changes");
  credentials = await createAccount(dataDir, { retentionDays: 30 });
  ({ username } = credentials);
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const recordFile = () => join(dataDir, "accounts", `${username}.json`);
const record = () => JSON.parse(readFileSync(recordFile(), "utf8"));

describe("an account that changes while a server knows it", () => {
  test("is refused once disabled, remembered or not, and accepted again once enabled", async () => {
    const accounts = new Accounts(dataDir, Date.now);
    expect(await accounts.verify(credentials)).toBeDefined();
    await changeAccount(dataDir, username, { disabled: true });
    expect(await accounts.verify(credentials)).toBeUndefined();
    expect(await accounts.find(username)).toBeUndefined();
    expect(await accounts.findAny(username)).toMatchObject({ username });
    await changeAccount(dataDir, username, { disabled: false });
    expect(await accounts.verify(credentials)).toMatchObject({ username });
  });

  test("has only its new password once that was rotated, and is another generation", async () => {
    const accounts = new Accounts(dataDir, Date.now);
    const before = await accounts.verify(credentials);
    const rotated = await rotatePassword(dataDir, username);
    expect(rotated.password).toMatch(/^[a-zA-Z0-9]{32}$/);
    expect(await accounts.verify(credentials)).toBeUndefined();
    const after = await accounts.verify({ username, password: rotated.password });
    expect(after).toMatchObject({ username, retentionDays: 30 });
    expect(after!.generation).not.toBe(before!.generation);
  });

  test("has its new retention and quota at the next look", async () => {
    const accounts = new Accounts(dataDir, Date.now);
    const before = await accounts.verify(credentials);
    expect(before!.quotaBytes).toBeUndefined();
    await changeAccount(dataDir, username, { retentionDays: 90, quotaBytes: 1000 });
    expect(await accounts.verify(credentials)).toMatchObject({
      retentionDays: 90,
      quotaBytes: 1000,
    });
    await changeAccount(dataDir, username, { quotaBytes: "none" });
    const after = await accounts.verify(credentials);
    expect(after).toEqual({ ...before, retentionDays: 90 });
  });

  test("is refused when its file cannot be read, and others are not", async () => {
    const other = await createAccount(dataDir, { retentionDays: 30 });
    const accounts = new Accounts(dataDir, Date.now);
    writeFileSync(recordFile(), '{"username":"x"}');
    await expect(accounts.verify(credentials)).rejects.toMatchObject({ code: "damaged" });
    await accounts.openAll();
    expect(await accounts.verify(other)).toBeDefined();
  });
});

describe("changes", () => {
  test.each<AccountChange>([{ retentionDays: 29 }, { retentionDays: 366 }, { quotaBytes: 0 }])(
    "that make no sense are refused, and nothing changes: %o",
    async (change) => {
      const before = record();
      await expect(changeAccount(dataDir, username, change)).rejects.toMatchObject({
        code: "usage",
      });
      expect(record()).toEqual(before);
    },
  );

  test("of an account that is not there, or of no data folder, are refused in words", async () => {
    for (const name of ["nobody", "../accounts/x", ""]) {
      const change = changeAccount(dataDir, name, { disabled: true });
      await expect(change).rejects.toMatchObject({ code: "not-found" });
    }
    const nowhere = join(dataDir, "nowhere");
    await expect(listAccounts(nowhere)).rejects.toMatchObject({ code: "not-found" });
    expect(existsSync(nowhere)).toBe(false);
  });

  test("by many processes at once lose nothing", async () => {
    const modules = new URL("../../src/server/", import.meta.url).href;
    // Each changes one thing again and again: without the lock another would undo it before long.
    const run = async (change: string, field: string) => {
      const code = `import { changeAccount, listAccounts } from "${modules}account-changes.ts";
        const [dataDir, username] = process.argv.slice(1);
        for (let index = 1; index <= 20; index++) {
          const changed = await changeAccount(dataDir, username, ${change});
          const [found] = await listAccounts(dataDir);
          if (found.${field} !== changed.${field}) throw new Error(JSON.stringify([found, changed]));
        }`;
      const args = ["--input-type=module", "-e", code, dataDir, username];
      const [exit] = await once(spawn(process.execPath, args, { stdio: "inherit" }), "exit");
      expect(exit).toBe(0);
    };
    const before = record().password;
    await Promise.all([
      run("{ disabled: index % 2 === 0 }", "disabled"),
      run("{ retentionDays: 30 + index }", "retentionDays"),
      run("{ quotaBytes: index }", "quotaBytes"),
      rotatePassword(dataDir, username),
    ]);
    expect(record()).toMatchObject({ disabled: true, retentionDays: 50, quotaBytes: 20 });
    expect(record().password).not.toEqual(before);
    expect(readdirSync(dataDir).sort()).toEqual(["accounts", "archives", "version.json"]);
    expect(readdirSync(join(dataDir, "accounts"))).toEqual([`${username}.json`]);
  });

  test("take over the lock of a command that was killed, and clear up after it", async () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const dead = temporaryName("meta").replace(/\.\d+\.[0-9a-f]+\./, `.${pid}.0badcafe.`);
    writeFileSync(join(dataDir, "lock"), dead);
    writeFileSync(join(dataDir, "accounts", dead), "half");
    await Promise.all([
      changeAccount(dataDir, username, { retentionDays: 77 }),
      changeAccount(dataDir, username, { quotaBytes: 5 }),
    ]);
    expect(record()).toMatchObject({ retentionDays: 77, quotaBytes: 5 });
    await new Accounts(dataDir, Date.now).openAll();
    expect(readdirSync(dataDir).sort()).toEqual(["accounts", "archives", "version.json"]);
    expect(readdirSync(join(dataDir, "accounts"))).toEqual([`${username}.json`]);
  });
});

describe("passwords", () => {
  test("are hashed as hard as OWASP asks for, with the parameters beside the hash", () => {
    expect(record().password).toMatchObject({ N: 8192, r: 8, p: 10 });
  });

  test("hashed with less effort are hashed anew when they are used, and stay the same", async () => {
    const password = "leastEffort";
    const { N, r, salt } = await hashPassword(password);
    const { scryptSync } = await import("node:crypto");
    const scrypt = scryptSync(password, Buffer.from(salt, "base64"), 32, { N, r, p: 1 });
    const weak = { N, r, p: 1, salt, scrypt: scrypt.toString("base64") };
    writeFileSync(recordFile(), JSON.stringify({ ...record(), password: weak }));
    const accounts = new Accounts(dataDir, Date.now);
    expect(await accounts.verify({ username, password: "wrong" })).toBeUndefined();
    expect(record().password).toEqual(weak);
    const before = await accounts.verify({ username, password });
    expect(record().password).toMatchObject({ p: 10, salt });
    expect(await accounts.verify({ username, password })).toEqual(before);
    expect(await accounts.verify({ username, password: "wrong" })).toBeUndefined();
  });

  test("are hashed one at a time: a flood of logins is turned away, and memory is bounded", async () => {
    const accounts = new Accounts(dataDir, Date.now);
    const before = process.memoryUsage.rss();
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 5);
    const flood = Array.from({ length: 200 }, (_, index) =>
      accounts.verify({ username: `guess${index}`, password: "x" }),
    );
    const outcomes = await Promise.allSettled(flood);
    clearInterval(timer);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(200 - 17);
    for (const one of refused) expect(one).toMatchObject({ reason: { status: 503 } });
    expect(most - before).toBeLessThan(50 * 1024 * 1024);
    expect(await accounts.verify(credentials)).toBeDefined();
  }, 60_000);

  test("that are verified by many connections at once are hashed once", async () => {
    const accounts = new Accounts(dataDir, Date.now);
    const all = await Promise.all(Array.from({ length: 200 }, () => accounts.verify(credentials)));
    expect(all.every((account) => account?.username === username)).toBe(true);
  });
});

describe("a data folder", () => {
  test("of a later version is refused in words, and not touched", async () => {
    const file = join(dataDir, "version.json");
    const text = '{"format":"restbackup server data","version":99}\n';
    writeFileSync(file, text);
    for (const attempt of [
      () => new Accounts(dataDir, Date.now).openAll(),
      () => createAccount(dataDir, { retentionDays: 30 }),
      () => changeAccount(dataDir, username, { disabled: true }),
      () => listAccounts(dataDir),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        code: "usage",
        message: expect.stringContaining("version 99"),
      });
    }
    expect(readFileSync(file, "utf8")).toBe(text);
    expect(record().disabled).toBeUndefined();
  });

  test.each([
    "",
    "{",
    "[]",
    '{"format":"other","version":1}',
    '{"format":"restbackup server data"}',
  ])("that is something else is refused in words: %s", async (text) => {
    writeFileSync(join(dataDir, "version.json"), text);
    const opening = new Accounts(dataDir, Date.now).openAll();
    await expect(opening).rejects.toMatchObject({ code: "usage" });
  });

  test("of version 1 is brought up to date, and its accounts keep their passwords", async () => {
    // As the first version wrote it.
    const old = temporaryFolder("version-1");
    for (const folder of ["accounts", "archives"]) mkdirSync(join(old, folder));
    writeFileSync(join(old, "version.json"), '{"format":"restbackup server data","version":1}\n');
    const salt = "AAECAwQFBgcICQoLDA0ODw==";
    const damaged = "{";
    const { scryptSync } = await import("node:crypto");
    const hash = scryptSync("old1password", Buffer.from(salt, "base64"), 32, {
      N: 16_384,
      r: 8,
      p: 1,
    });
    const password = { salt, scrypt: hash.toString("base64") };
    const account = { username: "old1", retentionDays: 60, created: 1_700_000_000 };
    writeFileSync(join(old, "accounts", "old1.json"), JSON.stringify({ ...account, password }));
    writeFileSync(join(old, "accounts", "bad1.json"), damaged);
    await expect(listAccounts(old)).rejects.toMatchObject({ code: "usage" });
    const accounts = new Accounts(old, Date.now);
    await accounts.openAll();
    const credentials = { username: "old1", password: "old1password" };
    expect(await accounts.verify(credentials)).toMatchObject({
      username: "old1",
      retentionDays: 60,
    });
    expect(readFileSync(join(old, "version.json"), "utf8")).toContain('"version":2');
    expect(readFileSync(join(old, "accounts", "bad1.json"), "utf8")).toBe(damaged);
    expect(readdirSync(old).sort()).toEqual(["accounts", "archives", "version.json"]);
    rmSync(old, { recursive: true });
  });
});

test("no module of the server but the sweep calls what deletes", () => {
  const folder = fileURLToPath(new URL("../../src/", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const callers = files.filter((file) =>
    /\.removeExpired\(/.test(readFileSync(join(folder, file), "utf8")),
  );
  expect(callers.map((file) => file.replaceAll("\\", "/"))).toEqual(["server/sweep.ts"]);
});
