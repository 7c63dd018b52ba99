import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { type CheckResult, checkStored, type Finding } from "../../src/server/check.ts";
import { openStore } from "../../src/stores/open.ts";
import { randomContent } from "../stores/content.ts";
import { startServer, temporaryFolder } from "../support/server.ts";
import { storeAt } from "./support/stored.ts";

const DAY = 86_400;
const now = Math.floor(Date.now() / 1000);
const long = "%".repeat(200);

let dataDir: string;
let username: string;
let archives: string;
beforeEach(async () => {
  dataDir = temporaryFolder("check");
  ({ username } = await createAccount(dataDir, { retentionDays: 30 }));
  archives = join(dataDir, "archives", username);
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function check(folder = dataDir): Promise<CheckResult & { findings: Finding[] }> {
  const findings: Finding[] = [];
  const result = await checkStored(folder, { onFinding: (finding) => findings.push(finding) });
  return { ...result, findings };
}

describe("a check", () => {
  test("of what is as it was stored finds nothing, and reads every byte", async () => {
    await storeAt(archives, now, { a: "12345", "a/b/c": "678", [`d/${long}`]: "90", empty: "" });
    expect(await check()).toEqual({
      accounts: 1,
      files: { intact: 4, damaged: 0, missing: 0, unrecorded: 0, stray: 0 },
      bytes: 10,
      findings: [],
    });
  });

  test("finds every kind of damage, and tells it from what is only unknown", async () => {
    const names = ["flipped", "cut", "longer", "moved", "gone", "retimed", "norecord", "badrecord"];
    const contents = names.map((name) => [`x/${name}`, `content of ${name}`]);
    await storeAt(archives, now - DAY, { ...Object.fromEntries(contents), [`x/${long}`]: "1" });
    const at = (name: string) => join(archives, "x.d", name);
    const meta = (name: string) => join(archives, ".restbackup", "meta", "x.d", name);
    const keepTime = (name: string) => utimesSync(at(name), now - DAY, now - DAY);
    writeFileSync(at("flipped"), "Content of flipped");
    truncateSync(at("cut"), 5);
    appendFileSync(at("longer"), "more");
    for (const name of ["flipped", "cut", "longer"]) keepTime(name);
    renameSync(at("moved"), at("elsewhere"));
    rmSync(at("gone"));
    utimesSync(at("retimed"), now - 5 * DAY, now - 5 * DAY);
    rmSync(meta("norecord"));
    writeFileSync(meta("badrecord"), "{");
    writeFileSync(join(archives, "100%"), "no name");
    symlinkSync("a", join(archives, "x.d", "link"));
    mkdirSync(join(dataDir, "archives", "Nobody"));
    writeFileSync(join(dataDir, "accounts", "Broken.json"), "{");

    const { findings, files } = await check();
    const states = findings.map(({ state, path }) => `${state} ${path}`).sort();
    const below = (path: string) => join("archives", username, path);
    expect(states).toEqual(
      [
        `damaged ${below("x.d/badrecord")}`,
        `damaged ${below("x.d/cut")}`,
        `damaged ${below("x.d/flipped")}`,
        `damaged ${below("x.d/longer")}`,
        `damaged ${below("x.d/retimed")}`,
        `damaged accounts/Broken.json`,
        `missing ${below("x.d/gone")}`,
        `missing ${below("x.d/moved")}`,
        `missing archives/Broken`,
        `stray ${below("100%")}`,
        `stray ${below("x.d/link")}`,
        `stray archives/Nobody`,
        `unrecorded ${below("x.d/elsewhere")}`,
        `unrecorded ${below("x.d/norecord")}`,
      ].sort(),
    );
    expect(files).toEqual({ intact: 1, damaged: 6, missing: 3, unrecorded: 2, stray: 3 });
    expect(findings.find(({ path }) => path.endsWith("flipped"))).toEqual({
      username,
      path: below("x.d/flipped"),
      name: "x/flipped",
      state: "damaged",
      reason: "its content is not what was stored",
    });
  });

  test("does not miss what has expired: a sweep was cut off before the record went", async () => {
    await storeAt(archives, now - 31 * DAY, { expired: "1" });
    rmSync(join(archives, "expired"));
    expect((await check()).findings).toEqual([]);
  });

  test("beside a server that is being written to finds nothing wrong", async () => {
    const server = await startServer();
    const store = await openStore(server.accessUrl);
    let done = false;
    const writing = (async () => {
      for (let index = 0; index < 150; index += 1) {
        await store.put(`folder${index % 3}/file${index}`, randomContent(20_000));
      }
      done = true;
    })();
    let checks = 0;
    while (!done) {
      expect((await check(server.dataDir)).findings).toEqual([]);
      checks += 1;
    }
    await writing;
    expect(checks).toBeGreaterThan(1);
    const { files, bytes } = await check(server.dataDir);
    expect([files.intact, bytes]).toEqual([150, 3_000_000]);
    await store.close();
    await server.close();
  });

  test("can be stopped, and is refused where there is no data folder", async () => {
    await storeAt(archives, now, { a: "1" });
    const signal = AbortSignal.abort();
    const stopped = checkStored(dataDir, { signal, onFinding: () => {} });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    await expect(check(join(dataDir, "nowhere"))).rejects.toMatchObject({ code: "not-found" });
  });

  test("reads two files at once at most, in bounded memory, and says how far it is", async () => {
    const big = "x".repeat(30_000_000);
    await storeAt(archives, now, { a: big, b: big, c: big, d: big });
    const before = process.memoryUsage.rss();
    let most = 0;
    let last: unknown;
    const result = await checkStored(dataDir, {
      onFinding: () => expect.fail(),
      onProgress: (progress) => {
        most = Math.max(most, process.memoryUsage.rss());
        last = progress;
      },
    });
    expect(result.bytes).toBe(120_000_000);
    expect(last).toEqual({ files: 4, bytes: 120_000_000, totalFiles: 4, totalBytes: 120_000_000 });
    expect(most - before).toBeLessThan(40 * 1024 * 1024);
  });
});
