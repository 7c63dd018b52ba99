import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { changeAccount, rotatePassword } from "../../src/server/account-changes.ts";
import { createBackupServer } from "../../src/server/server.ts";
import type { ServerEvent } from "../../src/server/server-event.ts";
import { endSessions } from "../../src/server/sessions.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";

const run = promisify(execFile);
const HOUR = 3600_000;
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const events: ServerEvent[] = [];
let server: TestServer;
let now = Date.now();

beforeAll(async () => {
  server = await startServer({ clock: () => now, log: (event) => events.push(event) });
  await authorized("PUT", "data.20100523.tar.gz", "0123456789");
  await authorized("PUT", "a/%C3%BCber%20uns.txt", "about");
});
afterEach(() => {
  now = Date.now();
});
afterAll(() => server.close());

const basic = ({ username, password }: { username: string; password: string }) => ({
  authorization: `Basic ${btoa(`${username}:${password}`)}`,
});
const authorized = (method: string, path: string, body?: string, headers = {}) =>
  fetch(server.url + path, {
    method,
    headers: { ...basic(server), ...headers },
    ...(body === undefined ? {} : { body }),
  });

async function makeSession(headers: Record<string, string> = {}): Promise<string> {
  const reply = await authorized("POST", "", undefined, {
    "x-http-method-override": "MAKESESSION",
    ...headers,
  });
  expect(reply.status, await reply.text()).toBe(204);
  expect(reply.headers.get("cache-control")).toBe("no-store, private");
  return reply.headers.get("location")!;
}

/** `POST /` with headers that fetch would not send. Gives status and Location. */
async function post(port: number, headers: Record<string, string>) {
  return await new Promise<{ status: number; location: string | undefined }>((resolve, reject) => {
    const req = request({ host: "127.0.0.1", port, method: "POST", path: "/", headers }, (res) => {
      res.resume();
      res.on("end", () => resolve({ status: res.statusCode!, location: res.headers.location }));
    });
    req.on("error", reject).end();
  });
}

describe("making a session", () => {
  test.each([
    ["without a body", ["-X", "POST"]],
    ["with Content-Length: 0", ["-X", "POST", "-H", "Content-Length: 0"]],
    ["with an empty body", ["-d", ""]],
    ["with a small body", ["-d", "hello=world"]],
    ["with a body in chunks", ["-d", "hello", "-H", "Transfer-Encoding: chunked"]],
    ["that waits for 100 Continue", ["-d", "hello", "-H", "Expect: 100-continue"]],
    ["over HTTP/1.0", ["-X", "POST", "--http1.0"]],
    ["in small letters", ["-X", "POST"], "x-http-method-override: makesession"],
  ] as [string, string[], string?][])(
    "works as old clients do it, %s",
    async (_, options, header) => {
      const { stdout } = await run("curl", [
        ...["-sS", "-i", "-u", `${server.username}:${server.password}`, "--max-time", "20"],
        ...["-H", header ?? "X-HTTP-Method-Override: MAKESESSION", ...options, server.url],
      ]);
      const reply = stdout.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
      expect(reply).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
      expect(reply).toMatch(/\r\n\r\n$/);
      const location = /\r\nLocation: (\S+)\r\n/.exec(reply)?.[1];
      expect(location).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/session\/[0-9a-f]{64}\/$/);
      const listing = (await (await fetch(location!)).json()) as { name: string }[];
      expect(listing.map(({ name }) => name).sort()).toEqual([
        "/a/über uns.txt",
        "/data.20100523.tar.gz",
      ]);
    },
  );

  test("takes credentials, and refuses what it does not know", async () => {
    const override = { "x-http-method-override": "MAKESESSION" };
    const anonymous = await fetch(server.url, { method: "POST", headers: override });
    expect(anonymous.status).toBe(401);
    const plain = await authorized("POST", "", "x");
    expect(plain.status).toBe(405);
    expect(plain.headers.get("allow")).toBe("GET, HEAD, POST");
    expect((await authorized("POST", "name", "x", override)).status).toBe(405);
    expect((await authorized("POST", "", "x".repeat(20_000), override)).status).toBe(413);
  });

  test("gives an address of the server as the client reached it", async () => {
    const ask = (headers: Record<string, string>) =>
      post(server.port, {
        ...basic(server),
        "x-http-method-override": "MAKESESSION",
        ...headers,
      });
    const host = `localhost:${server.port}`;
    expect((await ask({ host })).location).toMatch(`http://${host}/session/`);
    // Not on loopback, and yet it comes in the clear: a proxy that does TLS was asked.
    const proxied = await ask({ host: "Backup.Example", "x-forwarded-proto": "http" });
    expect(proxied.location).toMatch("https://backup.example/session/");
    for (const host of ["evil.example/path", "a b", "user@host", "x\u00e4", "a:99999", "[::"]) {
      expect([host, (await ask({ host })).status]).toEqual([host, 400]);
    }
  });

  test("believes X-Forwarded-Proto from a TLS proxy only", async () => {
    const host = "backup.example:8443";
    const headers = { ...basic(server), "x-http-method-override": "MAKESESSION" };
    const direct = await post(server.port, {
      ...headers,
      host: "127.0.0.1",
      "x-forwarded-proto": "https",
    });
    expect(direct.location).toMatch("http://127.0.0.1/session/");
    const behind = createBackupServer({
      dataDir: server.dataDir,
      listen: "127.0.0.1:0",
      behindTlsProxy: true,
    });
    const port = Number(new URL((await behind.listen()).url).port);
    const ask = (more: Record<string, string>) => post(port, { ...headers, host, ...more });
    expect((await ask({})).location).toMatch(`https://${host}/session/`);
    expect((await ask({ "x-forwarded-proto": "https" })).location).toMatch(`https://${host}/`);
    expect((await ask({ "x-forwarded-proto": "http" })).location).toMatch(`http://${host}/`);
    expect((await ask({ "x-forwarded-proto": "ftp://x" })).location).toMatch(`https://${host}/`);
    await behind.close();
  });

  test("gives another token each time, of which the disk holds no part", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, async () => (await makeSession()).split("/").at(-2)!),
    );
    const secrets = new Set(tokens.map((token) => token.slice(16)));
    expect(secrets.size).toBe(tokens.length);
    const everything = readdirSync(server.dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => `${path}\n${readFileSync(path, "latin1")}`)
      .join("\n");
    for (const secret of secrets) {
      for (let at = 0; at + 16 <= secret.length; at += 16) {
        expect(everything).not.toContain(secret.slice(at, at + 16));
      }
    }
    const files = sessionFiles();
    expect(files.length).toBeGreaterThanOrEqual(20);
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("is on stable storage before the client is told", async (context) => {
    if (!(await isThere("strace"))) context.skip("strace is not installed");
    const dataDir = temporaryFolder("session-strace");
    const url = (file: string) =>
      JSON.stringify(new URL(`../../src/server/${file}`, import.meta.url).href);
    const script = `
      const { Accounts, createAccount } = await import(${url("accounts.ts")});
      const { Sessions } = await import(${url("sessions.ts")});
      const dataDir = ${JSON.stringify(dataDir)};
      const credentials = await createAccount(dataDir, { retentionDays: 30 });
      const accounts = new Accounts(dataDir, Date.now);
      const account = await accounts.verify(credentials);
      const { mkdirSync } = await import("node:fs");
      mkdirSync(dataDir + "/begin");
      await new Sessions(dataDir, accounts, Date.now).make(account);
      mkdirSync(dataDir + "/made");
      process.exit(0);`;
    const log = join(dataDir, "strace");
    await run("strace", [
      ...["-f", "-y", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir"],
      ...[process.execPath, "--input-type=module", "-e", script],
    ]);
    const calls = readFileSync(log, "utf8").replaceAll(dataDir, "DATA");
    const during = /DATA\/begin[\s\S]*DATA\/made/.exec(calls)?.[0] ?? "";
    const file = during.search(/fsync\(\d+<DATA\/sessions\/\w+\/\w+\.json\.\w+\.tmp>/);
    const named = during.search(/rename\w*\(.*DATA\/sessions\/\w+\/\w+\.json\.\w+\.tmp/);
    const folder = during.slice(named).search(/fsync\(\d+<DATA\/sessions\/\w+>/);
    expect(file).toBeGreaterThan(0);
    expect(named).toBeGreaterThan(file);
    expect(folder).toBeGreaterThan(0);
    expect(during).toMatch(/fsync\(\d+<DATA\/sessions>/);
    expect(during).toMatch(/fsync\(\d+<DATA>/);
    await rm(dataDir, { recursive: true });
  });

  test("is refused at 250 for one account, until the first of them is over", async () => {
    const crowded = await startServer({ clock: () => now });
    const make = () =>
      fetch(crowded.url, {
        method: "POST",
        headers: { ...basic(crowded), "x-http-method-override": "MAKESESSION" },
      });
    const replies = await Promise.all(Array.from({ length: 251 }, make));
    const statuses = replies.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array.from({ length: 250 }, () => 204), 429]);
    const refused = replies.find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(23 * 3600);
    now += 25 * HOUR;
    expect((await make()).status).toBe(204);
    await crowded.close();
  });
});

test("sessions that are over are forgotten, the oldest first, before they fill the disk", async () => {
  const own = await startServer();
  const make = () =>
    fetch(own.url, {
      method: "POST",
      headers: { ...basic(own), "x-http-method-override": "MAKESESSION" },
    });
  const url = (await make()).headers.get("location")!;
  const [folder] = readdirSync(join(own.dataDir, "sessions")).map((name) =>
    join(own.dataDir, "sessions", name),
  );
  const record = JSON.parse(readFileSync(join(folder!, readdirSync(folder!)[0]!), "utf8"));
  const nameOf = (index: number) => join(folder!, `${String(index).padStart(64, "0")}.json`);
  for (let index = 0; index < 1200; index++) {
    const expires = Math.floor(Date.now() / 1000) - 60 - index;
    writeFileSync(nameOf(index), JSON.stringify({ ...record, expires }));
  }
  expect((await make()).status).toBe(204);
  expect(readdirSync(folder!)).toHaveLength(1000);
  expect(existsSync(nameOf(0))).toBe(true);
  expect(existsSync(nameOf(1199))).toBe(false);
  expect((await fetch(url)).status).toBe(200);
  await own.close();
});

describe("a session's url", () => {
  test("reads as the account's own, without credentials", async () => {
    const url = await makeSession();
    const own = await authorized("GET", "");
    const listing = await fetch(url, { headers: { accept: "*/*" } });
    expect(listing.headers.get("content-type")).toBe("application/json");
    expect(await listing.text()).toBe(await own.text());
    const page = await fetch(url, { headers: { accept: BROWSER } });
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await page.text()).toContain('href="./data.20100523.tar.gz"');

    const file = await fetch(`${url}data.20100523.tar.gz`);
    expect(await file.text()).toBe("0123456789");
    expect(file.headers.get("content-disposition")).toBe(
      'attachment; filename="data.20100523.tar.gz"',
    );
    const part = await fetch(`${url}data.20100523.tar.gz`, { headers: { range: "bytes=2-4" } });
    expect([part.status, await part.text()]).toEqual([206, "234"]);
    const head = await fetch(`${url}a/%C3%BCber%20uns.txt`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "5"]);
    expect(head.headers.get("content-disposition")).toBe(
      "attachment; filename=\"_ber uns.txt\"; filename*=UTF-8''%C3%BCber%20uns.txt",
    );
    expect((await fetch(`${url}missing`)).status).toBe(404);
    expect((await fetch(`${url}..%2f..%2faccounts`)).status).toBe(400);
    const slashless = await fetch(url.slice(0, -1), { redirect: "manual" });
    expect([slashless.status, slashless.headers.get("location")]).toEqual([
      308,
      new URL(url).pathname,
    ]);
  });

  test("shows one account only", async () => {
    const other = await startServer({ dataDir: server.dataDir });
    const reply = await fetch(other.url, {
      method: "POST",
      headers: { ...basic(other), "x-http-method-override": "MAKESESSION" },
    });
    const url = reply.headers.get("location")!;
    expect(await (await fetch(url)).json()).toEqual([]);
    expect((await fetch(`${url}data.20100523.tar.gz`)).status).toBe(404);
    await other.close();
  });

  test.each(["PUT", "DELETE", "PATCH", "OPTIONS"])(
    "refuses %s, and changes nothing",
    async (method) => {
      const url = await makeSession();
      const at = (path: string) =>
        fetch(url + path, { method, ...(method === "PUT" ? { body: "new" } : {}) });
      for (const [path, allow] of [
        ["", "GET, HEAD, POST"],
        ["new", "GET, HEAD"],
        ["data.20100523.tar.gz", "GET, HEAD"],
      ] as const) {
        const reply = await at(path);
        expect([reply.status, reply.headers.get("allow")]).toEqual([405, allow]);
      }
      expect((await fetch(url, { method: "POST" })).status).toBe(405);
      expect((await fetch(`${url}new`, { method: "POST" })).status).toBe(405);
      expect((await (await fetch(url)).json()) as unknown[]).toHaveLength(2);
    },
  );

  test("neither travels in Referer nor stays in a cache, whatever is answered", async () => {
    const url = await makeSession();
    for (const [path, status] of [
      ["", 200],
      ["data.20100523.tar.gz", 200],
      ["missing", 404],
      ["%zz", 400],
    ] as const) {
      for (const accept of ["*/*", BROWSER, "application/json"]) {
        const reply = await fetch(url + path, { headers: { accept } });
        expect(reply.status).toBe(status);
        expect(reply.headers.get("referrer-policy")).toBe("no-referrer");
        expect(reply.headers.get("cache-control")).toMatch(/^no-store, private/);
        expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
      }
    }
  });

  test("never reaches a log, however it is spelled", async () => {
    const url = await makeSession();
    const token = url.split("/").at(-2)!;
    events.length = 0;
    const spellings = [
      `/session/${token}/`,
      `/session/${token}`,
      `/session/${token}/?before=1/x`,
      `/session/${token}/missing`,
      `/session/${token}/%zz`,
      `/%73ession/${token}/`,
      `/session%2f${token}/`,
      `//session/${token}/`,
      `/SESSION/${token}/`,
      `/./session/${token}/`,
      `http://${new URL(url).host}/session/${token}/`,
      `/${"%"}73%65ssion/${token}`,
    ];
    for (const path of spellings) {
      await new Promise((resolve, reject) => {
        const req = request({ host: "127.0.0.1", port: server.port, path, agent: false }, (res) => {
          res.resume();
          res.on("end", resolve);
        });
        req.on("error", reject).end();
      });
    }
    expect(events.length).toBeGreaterThanOrEqual(spellings.length);
    expect(JSON.stringify(events)).not.toContain(token);
    expect(JSON.stringify(events)).not.toContain(token.slice(16));
    expect(events[0]).toMatchObject({ path: "/session/…", status: 200, username: server.username });
  });
});

describe("a session is over", () => {
  test("after 24 hours: 410 in words a person reads, and after 30 more days 404", async () => {
    const url = await makeSession();
    now += 24 * HOUR - 2000;
    expect((await fetch(url)).status).toBe(200);
    now += 2000;
    for (const [accept, type] of [
      ["*/*", "text/plain; charset=utf-8"],
      ["application/json", "application/problem+json"],
      [BROWSER, "text/html; charset=utf-8"],
    ] as const) {
      for (const path of ["", "data.20100523.tar.gz"]) {
        const reply = await fetch(url + path, { headers: { accept } });
        expect(reply.status).toBe(410);
        expect(reply.headers.get("content-type")).toBe(type);
        expect(await reply.text()).toMatch(/This session expired on \d+ \w+ \d{4}, \d\d:\d\d UTC/);
      }
    }
    now += 29 * 24 * HOUR;
    expect((await fetch(url)).status).toBe(410);
    now += 24 * HOUR;
    expect((await fetch(url)).status).toBe(404);
  });

  test.each([
    ["with the header, and says so with 204", { "x-http-method-override": "ENDSESSION" }, "", 204],
    [
      "with the page's form, and leads back",
      { accept: BROWSER, "content-type": "application/x-www-form-urlencoded" },
      "x-http-method-override=ENDSESSION",
      303,
    ],
  ])("when somebody ends it %s", async (_, headers, body, status) => {
    const [url, other] = [await makeSession(), await makeSession()];
    const options = { method: "POST", headers, body, redirect: "manual" } as const;
    const reply = await fetch(url, options);
    expect(reply.status).toBe(status);
    expect(reply.headers.get("location")).toBe(status === 303 ? "./" : null);
    const after = await fetch(url);
    expect([after.status, await after.text()]).toEqual([
      410,
      "This session was ended. Whoever has the access url can make a new one.\n",
    ]);
    expect((await fetch(url, options)).status).toBe(410);
    expect((await fetch(other)).status).toBe(200);
  });

  test("when the operator ends all of an account, while the server runs", async () => {
    const urls = [await makeSession(), await makeSession()];
    expect(await endSessions(server.dataDir, server.username)).toBeGreaterThanOrEqual(2);
    for (const url of urls) expect((await fetch(url)).status).toBe(410);
    expect(await endSessions(server.dataDir, server.username)).toBe(0);
    await expect(endSessions(server.dataDir, "nobody")).rejects.toMatchObject({
      code: "not-found",
    });
    expect((await fetch(await makeSession())).status).toBe(200);
  });

  test("when the account is disabled, or gets another password", async () => {
    const own = await startServer();
    const make = async (password: string) => {
      const reply = await fetch(own.url, {
        method: "POST",
        headers: {
          ...basic({ ...own, password }),
          "x-http-method-override": "MAKESESSION",
        },
      });
      return reply.headers.get("location")!;
    };
    const first = await make(own.password);
    const { password } = await rotatePassword(own.dataDir, own.username);
    expect((await fetch(first)).status).toBe(410);
    const second = await make(password);
    expect((await fetch(second)).status).toBe(200);
    await changeAccount(own.dataDir, own.username, { disabled: true });
    expect((await fetch(second)).status).toBe(410);
    await changeAccount(own.dataDir, own.username, { disabled: false });
    expect((await fetch(second)).status).toBe(410);
    await own.close();
  });

  test("not when the server restarts, also after it was killed while writing one", async () => {
    const dataDir = temporaryFolder("session-restart");
    const before = await startServer({ dataDir });
    const reply = await fetch(before.url, {
      method: "POST",
      headers: { ...basic(before), "x-http-method-override": "MAKESESSION" },
    });
    const path = new URL(reply.headers.get("location")!).pathname;
    await before.close();
    const folder = join(dataDir, "sessions", readdirSync(join(dataDir, "sessions"))[0]!);
    const [record] = readdirSync(folder);
    writeFileSync(join(folder, `${record}.0123456789ab.tmp`), "{");
    const after = await startServer({ dataDir });
    expect((await fetch(new URL(path, after.url))).status).toBe(200);
    expect(readdirSync(folder)).toEqual([record]);
    await after.close();
    const muchLater = await startServer({ dataDir, clock: () => now + 60 * 24 * HOUR });
    expect(readdirSync(folder)).toEqual([]);
    await muchLater.close();
    await rm(dataDir, { recursive: true });
  });

  test.each(["", "x", "0".repeat(64), "..", "%2e%2e", "0".repeat(16), "A".repeat(64)])(
    "or never was: %j is 404",
    async (token) => {
      const status = await new Promise((resolve, reject) => {
        const path = `/session/${token}/`;
        request({ host: "127.0.0.1", port: server.port, path }, (res) => {
          res.resume();
          resolve(res.statusCode);
        })
          .on("error", reject)
          .end();
      });
      expect(status).toBe(404);
    },
  );
});

function sessionFiles(): string[] {
  return readdirSync(join(server.dataDir, "sessions"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

async function isThere(program: string): Promise<boolean> {
  return await run(program, ["-V"]).then(
    () => true,
    () => false,
  );
}
