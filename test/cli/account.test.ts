import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outcomeOf, World } from "./world.ts";

const world = new World();
afterAll(() => world.remove());

const data = join(world.root, "data");
const account = async (...args: string[]) =>
  await world.json(["account", ...args, "--data", data], { showsSecrets: true });

/** The status of a GET of the listing with an access url. */
async function statusOf(accessUrl: string): Promise<number> {
  const { origin, username, password } = new URL(accessUrl);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  const response = await fetch(origin, { headers: { authorization } });
  await response.arrayBuffer();
  return response.status;
}

describe("an account, while the real server runs", () => {
  let serving: ReturnType<World["start"]>;
  let ended: ReturnType<typeof outcomeOf>;
  let origin: string;
  let accessUrl: string;
  let username: string;
  beforeAll(async () => {
    serving = world.start(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    const [line] = (await once(createInterface({ input: serving.stdout! }), "line")) as [string];
    ended = outcomeOf(serving);
    origin = /http:\/\/127\.0\.0\.1:\d+/.exec(line)![0];
    const made = await account("create", "--host", origin, "--quota", "1M");
    accessUrl = String(made.accessUrl);
    username = String(made.username);
    expect(made).toEqual({ accessUrl, username, retentionDays: 90, quotaBytes: 2 ** 20 });
    world.hide(new URL(accessUrl).password);
  });
  afterAll(() => serving.kill("SIGKILL"));

  test("is refused from the next request on when disabled, and taken again when enabled", async () => {
    expect(await statusOf(accessUrl)).toBe(200);
    expect(await account("disable", username)).toMatchObject({ username, disabled: true });
    expect(await statusOf(accessUrl)).toBe(401);
    expect(await account("enable", username)).toMatchObject({ username, disabled: false });
    expect(await statusOf(accessUrl)).toBe(200);
  });

  test("has a new access url when rotated, shown once, and the old one is refused at once", async () => {
    const rotate = ["account", "rotate", username, "--data", data, "--host", origin];
    const { stdout, stderr, code } = await world.run(rotate);
    expect([code, stderr]).toEqual([0, expect.stringContaining("shown once")]);
    expect(stdout).toMatch(/^http:\/\/[a-zA-Z0-9]+:[a-zA-Z0-9]{32}@127\.0\.0\.1:\d+\/\n$/);
    expect(new URL(stdout.trim()).username).toBe(username);
    expect(await statusOf(accessUrl)).toBe(401);
    accessUrl = stdout.trim();
    world.hide(new URL(accessUrl).password);
    expect(await statusOf(accessUrl)).toBe(200);
  });

  test("is held to its quota, and to none once that is taken away", async () => {
    const env = { RESTBACKUP_ACCESS_URL: accessUrl };
    const { file } = await world.newKey("key.txt");
    writeFileSync(join(world.tree, "big"), randomBytes(2_000_000));
    const backup = ["backup", "website", "--key-file", file];
    const refused = await world.run(backup, { env });
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(/The account may store 1\.0 MiB/);
    expect(await account("set", username, "--quota", "none")).toMatchObject({ quotaBytes: null });
    expect((await world.run(backup, { env })).code).toBe(0);
  });

  test("is listed with what it stores, for people and programs, without secrets", async () => {
    await account("set", username, "--quota", "10G", "--retention", "180d");
    const { accounts } = await account("list");
    expect(accounts).toEqual([
      {
        username,
        disabled: false,
        retentionDays: 180,
        quotaBytes: 10 * 2 ** 30,
        created: expect.any(Number),
        files: expect.any(Number),
        bytes: expect.any(Number),
      },
    ]);
    const { stdout } = await world.run(["account", "list", "--data", data]);
    expect(stdout).toMatch(
      /^\w{12} {2}made \d{4}-\d\d-\d\d {2}keeps 180 days {2}\d+ files?, .* of 10\.0 GiB\n$/,
    );
  });

  test("is checked, also by people who only want to know whether all is well", async () => {
    const { stdout, code } = await world.run(["check", "--data", data]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^Checked 1 account: \d+ files? intact; read /),
    ]);
    const [name] = readdirSync(join(data, "archives", username)).filter(
      (one) => one !== ".restbackup",
    );
    const path = join(data, "archives", username, name!);
    const { mtime } = statSync(path);
    execFileSync("sh", [
      "-c",
      'printf x | dd of="$1" bs=1 seek=99 conv=notrunc status=none',
      "sh",
      path,
    ]);
    utimesSync(path, mtime, mtime);
    const damaged = await world.run(["check", "--data", data]);
    expect(damaged.code).toBe(5);
    expect(damaged.stderr).toContain(`damaged: /${name} of ${username}: its content is not what`);
    expect(damaged.stderr).toContain("1 file damaged");
    const json = await world.run(["check", "--data", data, "--json"]);
    expect(json.code).toBe(5);
    expect(JSON.parse(json.stdout)).toMatchObject({
      accounts: 1,
      files: { damaged: 1, missing: 0 },
      findings: [{ state: "damaged", name, username }],
    });
    expect(JSON.parse(json.stderr).error.code).toBe("damaged");
  });

  test("has its server's clock shown and accepted", async () => {
    const { stdout } = await world.run(["clock", "--data", data]);
    expect(stdout).toMatch(/^The clock says .*, and is believed\.\n$/);
    expect(await world.json(["clock", "--data", data, "--accept"])).toMatchObject({
      wall: expect.any(Number),
    });
  });

  test("leaves no secret in the server's log", async () => {
    serving.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/"status":401,/);
    expect(stderr).not.toContain(new URL(accessUrl).password);
  });
});

describe("account commands", () => {
  test("say what a shorter retention costs, before it is too late", async () => {
    const username = String((await account("create", "--retention", "365d")).username);
    const old = join(data, "archives", username, "old");
    writeFileSync(old, "x".repeat(2048));
    const time = Date.now() / 1000 - 100 * 86_400;
    utimesSync(old, time, time);
    const set = ["account", "set", username, "--data", data, "--retention"];
    const { stderr, code } = await world.run([...set, "30d"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/1 file \(2\.0 KiB\) of \w+ are older than 30 days: the server deletes/);
    expect((await world.run([...set, "120d"])).stderr).toBe("");
  });

  test.each([
    [["set", "nobody"], 2, "nothing to set"],
    [["set", "nobody", "--retention", "29d"], 3, "no account nobody"],
    [["set", "nobody", "--quota", "much"], 2, "not a size"],
    [["disable", "nobody"], 3, "no account nobody"],
    [["rotate", "nobody"], 3, "no account nobody"],
    [["rotate"], 2, "username"],
    [["create", "--quota", "0"], 2, "at least one byte"],
  ])("refuse in words: %j", async (args, code, words) => {
    const outcome = await world.run(["account", ...args, "--data", data]);
    expect(outcome).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(words) });
  });

  test.skipIf(process.getuid?.() !== 0)("by root give files to the folder's owner", async () => {
    const owned = join(world.root, "owned");
    mkdirSync(owned);
    chownSync(owned, 65_534, 65_534);
    for (const folder of [world.root, world.work]) execFileSync("chmod", ["a+rx", folder]);
    const { code, stdout } = await world.run(["account", "create", "--data", owned]);
    expect(code).toBe(0);
    const user = new URL(stdout.trim()).username;
    await world.run(["account", "set", user, "--data", owned, "--quota", "1G"]);
    for (const path of readdirSync(owned, { recursive: true, encoding: "utf8" })) {
      expect([path, statSync(join(owned, path)).uid]).toEqual([path, 65_534]);
    }
  });
});
