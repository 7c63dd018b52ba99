import { readdirSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Accounts, createAccount } from "../../src/server/accounts.ts";
import { parseBasic } from "../../src/server/basic-authentication.ts";
import { parseAccessUrl } from "../../src/stores/access-url.ts";
import { temporaryFolder } from "../support/server.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = temporaryFolder("accounts");
});
afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

describe("accounts", () => {
  test("have credentials that fit in an access url, and differ", async () => {
    const one = await createAccount(dataDir, { retentionDays: 30 });
    const two = await createAccount(dataDir, { retentionDays: 365 });
    expect(one.username).not.toBe(two.username);
    for (const { username, password } of [one, two]) {
      expect(parseAccessUrl(`https://${username}:${password}@host/`)).toMatchObject({
        username,
        password,
      });
      expect(password).toHaveLength(32);
    }
  });

  test("keep the password as a hash only, in a file their owner alone can read", async () => {
    const { username, password } = await createAccount(dataDir, { retentionDays: 90 });
    const file = join(dataDir, "accounts", `${username}.json`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain(password);
    expect(text).not.toContain(Buffer.from(password).toString("base64"));
    expect(JSON.parse(text)).toMatchObject({ username, retentionDays: 90 });
    expect(readdirSync(join(dataDir, "accounts"))).toEqual([`${username}.json`]);
  });

  test.each([0, 29, 366, 45.5, Number.NaN])(
    "are not made to be kept %d days",
    async (retentionDays) => {
      await expect(createAccount(dataDir, { retentionDays })).rejects.toMatchObject({
        code: "usage",
      });
    },
  );

  test("are told apart by the exact username and password, first time and remembered", async () => {
    const { username, password } = await createAccount(dataDir, { retentionDays: 30 });
    const accounts = new Accounts(dataDir, Date.now);
    for (let round = 0; round < 2; round += 1) {
      expect(await accounts.verify({ username, password })).toMatchObject({
        username,
        retentionDays: 30,
      });
      for (const wrong of [
        { username, password: `${password}x` },
        { username, password: "" },
        { username: `${username.toLowerCase()}x`, password },
        { username: `../accounts/${username}`, password },
        { username: "", password: "" },
      ]) {
        expect(await accounts.verify(wrong)).toBeUndefined();
      }
    }
  });

  test("end with their file, though the password was remembered", async () => {
    const { username, password } = await createAccount(dataDir, { retentionDays: 30 });
    const accounts = new Accounts(dataDir, Date.now);
    expect(await accounts.verify({ username, password })).toBeDefined();
    await rm(join(dataDir, "accounts", `${username}.json`));
    expect(await accounts.verify({ username, password })).toBeUndefined();
  });

  test("an unknown username takes as long to refuse as a wrong password", async () => {
    const { username } = await createAccount(dataDir, { retentionDays: 30 });
    const accounts = new Accounts(dataDir, Date.now);
    const time = async (name: string) => {
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 5; round += 1) {
        const start = performance.now();
        await accounts.verify({ username: name, password: "wrong" });
        best = Math.min(best, performance.now() - start);
      }
      return best;
    };
    const known = await time(username);
    const unknown = await time("nobody");
    // Without the hash an unknown name would be refused some hundred times as fast.
    expect(unknown).toBeGreaterThan(known / 3);
  });

  test.each([
    ["Basic dTpw", { username: "u", password: "p" }],
    ["basic dTpwOnE=", { username: "u", password: "p:q" }],
    ["Basic dQ==", undefined],
    ["Bearer dTpw", undefined],
    ["Basic", undefined],
    [undefined, undefined],
  ])("Authorization: %s", (field, credentials) => {
    expect(parseBasic(field)).toEqual(credentials);
  });
});
