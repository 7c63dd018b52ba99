import { execFile, spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { rm, utimes } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { createBackupServer } from "../../src/server/server.ts";
import type { ServerEvent } from "../../src/server/server-event.ts";
import { formatReprDigest } from "../../src/stores/repr-digest.ts";
import { contentOf } from "../stores/content.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";

const run = promisify(execFile);
const events: ServerEvent[] = [];
let server: TestServer;
let work: string;

beforeAll(async () => {
  server = await startServer({ log: (event) => events.push(event) });
  work = temporaryFolder("work");
});
afterAll(async () => {
  await server.close();
  await rm(work, { recursive: true, force: true });
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly continued: boolean;
}

/** One request as old clients send it: a connection of its own. */
async function send(
  method: string,
  path: string,
  options: {
    headers?: Record<string, string | number>;
    body?: string | Buffer;
    auth?: string | null;
    port?: number;
  } = {},
): Promise<Reply> {
  const auth = options.auth === undefined ? `${server.username}:${server.password}` : options.auth;
  return await new Promise((resolve, reject) => {
    let continued = false;
    const req = request({
      host: "127.0.0.1",
      port: options.port ?? server.port,
      method,
      path,
      agent: false,
      headers: options.headers,
      ...(auth === null ? {} : { auth }),
    });
    req.on("continue", () => {
      continued = true;
      req.end(options.body);
    });
    req.on("error", reject);
    req.on("response", (res) => {
      const parts: Buffer[] = [];
      res.on("data", (part: Buffer) => parts.push(part));
      res.on("error", reject);
      res.on("end", () => {
        const body = Buffer.concat(parts).toString();
        resolve({ status: res.statusCode!, headers: res.headers, body, continued });
        req.destroy();
      });
    });
    if (options.headers?.expect === undefined) req.end(options.body);
    else req.flushHeaders();
  });
}

const put = (path: string, body: string, headers: Record<string, string | number> = {}) =>
  send("PUT", path, { body, headers: { "content-length": Buffer.byteLength(body), ...headers } });

const spooled = () => readdirSync(join(server.archives, ".restbackup", "tmp"));

describe("the walkthrough of the published API", () => {
  test("works word for word with curl and tar", async () => {
    writeFileSync(join(work, "file1"), "one");
    writeFileSync(join(work, "file2"), "two");
    const { username, password, url } = server;
    const script = `
      set -e
      tar czf data.20100523.tar.gz file1 file2
      curl -sS -u ${username}:${password} ${url} -T data.20100523.tar.gz
      curl -sS -u ${username}:${password} ${url}
      rm file1 file2
      curl -sS -u ${username}:${password} ${url}data.20100523.tar.gz | tar xz
      cat file1 file2`;
    const { stdout } = await run("bash", ["-c", script], { cwd: work });
    const [stored, listing, files] = stdout.split("\n");
    expect(stored).toBe("Stored /data.20100523.tar.gz");
    const entries = JSON.parse(listing!) as Record<string, unknown>[];
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ name: "/data.20100523.tar.gz" });
    const { createtime, deletetime, date } = entries[0] as {
      createtime: number;
      deletetime: number;
      date: string;
    };
    expect(Math.abs(createtime - Date.now() / 1000)).toBeLessThan(60);
    expect(deletetime).toBe(createtime + 30 * 86_400);
    expect(Date.parse(date)).toBe(createtime * 1000);
    expect(files).toBe("onetwo");
  });

  test("a second PUT to a name is 405 for any content, and changes nothing", async () => {
    expect((await put("/taken", "first")).status).toBe(201);
    for (const body of ["first", "other"]) {
      const reply = await put("/taken", body);
      expect(reply.status).toBe(405);
      expect(reply.headers.allow).toBe("GET, HEAD");
    }
    expect((await send("GET", "/taken")).body).toBe("first");
  });

  test.each(["DELETE", "POST", "PATCH", "OPTIONS"])(
    "%s is 405, and the file stays",
    async (method) => {
      await put(`/kept-${method}`, "x");
      const reply = await send(method, `/kept-${method}`);
      expect(reply.status).toBe(405);
      expect(reply.headers.allow).toBe("GET, HEAD, PUT");
      expect((await send("GET", `/kept-${method}`)).status).toBe(200);
      expect((await send(method, "/")).status).toBe(405);
    },
  );

  test("curl's own Expect: 100-continue is honoured, for a body of any size", async () => {
    writeFileSync(join(work, "big"), Buffer.alloc(3_000_000, 7));
    const { stdout } = await run("curl", [
      ...["-sS", "--http1.1", "-H", "Expect: 100-continue", "-T", join(work, "big"), "-o", "-"],
      ...["-u", `${server.username}:${server.password}`, server.url],
    ]);
    expect(stdout).toBe("Stored /big\n");
  });
});

describe("GET and HEAD", () => {
  test("carry length, digest, tag and time; HEAD without the content", async () => {
    const { sha256 } = contentOf("hello");
    await put("/a/b c", "hello", { "content-length": 5 }).catch(() => {});
    await put("/a/b%20c", "hello");
    for (const method of ["GET", "HEAD"]) {
      const reply = await send(method, "/a/b%20c");
      expect(reply.status).toBe(200);
      expect(reply.body).toBe(method === "GET" ? "hello" : "");
      expect(reply.headers).toMatchObject({
        "content-length": "5",
        "repr-digest": formatReprDigest(sha256),
        etag: `"${sha256}"`,
        "accept-ranges": "bytes",
      });
      const [entry] = (
        JSON.parse((await send("GET", "/")).body) as { name: string; createtime: number }[]
      ).filter(({ name }) => name === "/a/b c");
      expect(Date.parse(reply.headers["last-modified"]!)).toBe(entry!.createtime * 1000);
    }
    expect((await send("HEAD", "/missing")).status).toBe(404);
  });

  test("parts, conditions and their refusals go over the wire", async () => {
    await put("/ranged", "0123456789");
    const part = await send("GET", "/ranged", { headers: { range: "bytes=2-4" } });
    expect(part).toMatchObject({ status: 206, body: "234" });
    expect(part.headers).toMatchObject({ "content-range": "bytes 2-4/10", "content-length": "3" });
    const beyond = await send("GET", "/ranged", { headers: { range: "bytes=10-" } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers["content-range"]).toBe("bytes */10");
    const { etag } = part.headers;
    expect((await send("GET", "/ranged", { headers: { "if-none-match": etag! } })).status).toBe(
      304,
    );
    expect((await send("GET", "/ranged", { headers: { "if-match": '"x"' } })).status).toBe(412);
  });

  test("the listing is JSON for every Accept in use, and carries a length", async () => {
    for (const accept of [undefined, "*/*", "application/json"]) {
      const reply = await send("GET", "/", accept === undefined ? {} : { headers: { accept } });
      expect(reply.headers["content-type"]).toBe("application/json");
      expect(Number(reply.headers["content-length"])).toBe(Buffer.byteLength(reply.body));
      expect(JSON.parse(reply.body)).toBeInstanceOf(Array);
    }
  });
});

describe("refusals", () => {
  test.each([
    ["no credentials", "GET", "/", { auth: null }, 401],
    ["a wrong password", "GET", "/", { auth: "nobody:wrong" }, 401],
    ["a missing file", "GET", "/missing", {}, 404],
    ["a broken escape", "PUT", "/a%zz", { headers: { "content-length": 0 } }, 400],
    ["an empty part", "PUT", "/a//b", { headers: { "content-length": 0 } }, 400],
    ["two dots", "GET", "/a/../b", {}, 400],
    ["encoded dots", "GET", "/%2e%2e/accounts", {}, 400],
    ["a control character", "PUT", "/a%0Ab", { headers: { "content-length": 0 } }, 400],
    ["the server's own path", "PUT", "/session/x", { headers: { "content-length": 0 } }, 405],
    [
      "a name that is too long",
      "PUT",
      `/${"a".repeat(256)}`,
      { headers: { "content-length": 0 } },
      400,
    ],
    [
      "no length",
      "PUT",
      "/chunked",
      { headers: { "transfer-encoding": "chunked" }, body: "x" },
      411,
    ],
    [
      "too much",
      "PUT",
      "/huge",
      { headers: { "content-length": 5_368_709_121, expect: "100-continue" } },
      413,
    ],
    [
      "a part to be put",
      "PUT",
      "/part",
      { headers: { "content-length": 0, "content-range": "bytes 0-0/2" } },
      400,
    ],
    [
      "a condition on nothing",
      "PUT",
      "/cond",
      { headers: { "content-length": 0, "if-match": "*" } },
      412,
    ],
  ])(
    "%s: a line of text, or problem details where JSON is asked for",
    async (_, method, path, options, status) => {
      const reply = await send(method, path, options as object);
      expect(reply.status).toBe(status);
      expect(reply.headers["content-type"]).toBe("text/plain; charset=utf-8");
      expect(reply.body).toMatch(/^[^\n]+\n$/);
      expect(Number(reply.headers["content-length"])).toBe(Buffer.byteLength(reply.body));
      if (status === 401) expect(reply.headers["www-authenticate"]).toMatch(/^Basic realm=/);
      const headers = { ...(options as { headers?: object }).headers, accept: "application/json" };
      const json = await send(method, path, { ...(options as object), headers });
      expect(json.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(json.body)).toMatchObject({ status, detail: expect.stringMatching(/./) });
    },
  );

  test("what the header decides is refused before the body is sent", async () => {
    await put("/early", "x");
    const expecting = { "content-length": 1_000_000, expect: "100-continue" };
    for (const [path, auth, status] of [
      ["/early", undefined, 405],
      ["/new", "nobody:wrong", 401],
      ["/a//b", undefined, 400],
    ] as const) {
      const reply = await send("PUT", path, {
        headers: expecting,
        ...(auth === undefined ? {} : { auth }),
      });
      expect(reply).toMatchObject({ status, continued: false });
    }
    const good = await send("PUT", "/later", {
      headers: { "content-length": 2, expect: "100-continue" },
      body: "ok",
    });
    expect(good).toMatchObject({ status: 201, continued: true });
  });

  test("a client that sends without asking still reads why it was refused", async () => {
    const reply = await send("PUT", "/early", {
      headers: { "content-length": 20_000_000 },
      body: Buffer.alloc(20_000_000),
    });
    expect(reply.status).toBe(405);
  });

  test("a client that reads nothing until all is sent, as old ones do, still reads the refusal", async () => {
    const basic = Buffer.from(`${server.username}:${server.password}`).toString("base64");
    const socket = connect(server.port, "127.0.0.1");
    socket.pause();
    const head = `PUT /early HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n`;
    socket.write(`${head}Content-Length: 20000000\r\n\r\n`);
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.write(Buffer.alloc(20_000_000), () => resolve());
    });
    let reply = "";
    for await (const piece of socket) reply += piece;
    expect(reply).toMatch(/^HTTP\/1\.1 405 /);
    // The rest of a body that nobody wants is not read to its end.
    expect(reply).toMatch(/\r\nConnection: close\r\n/);
  });

  test("a full disk is 507, nothing is left of the upload, and smaller ones still work", async (context) => {
    const dataDir = temporaryFolder("full");
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", dataDir]);
    if (mounted.status !== 0) context.skip("a small file system cannot be mounted here");
    const full = await startServer({ dataDir });
    try {
      const options = { auth: `${full.username}:${full.password}`, port: full.port };
      const body = Buffer.alloc(30_000_000);
      const headers = { "content-length": body.length };
      expect((await send("PUT", "/big", { ...options, headers, body })).status).toBe(507);
      expect((await send("GET", "/big", options)).status).toBe(404);
      expect(readdirSync(join(full.archives, ".restbackup", "tmp"))).toEqual([]);
      const small = { headers: { "content-length": 5_000_000 }, body: Buffer.alloc(5_000_000) };
      expect((await send("PUT", "/big", { ...options, ...small })).status).toBe(201);
    } finally {
      await full.close();
      spawnSync("umount", [dataDir]);
      await rm(dataDir, { recursive: true });
    }
  });

  test("content that is not what its digest says is 400, and the name stays free", async () => {
    const wrong = { "repr-digest": formatReprDigest(contentOf("other").sha256) };
    expect((await put("/digest", "hello", wrong)).status).toBe(400);
    expect((await put("/digest", "hello", { "repr-digest": "sha-256=:???:" })).status).toBe(400);
    expect((await send("GET", "/digest")).status).toBe(404);
    const right = { "repr-digest": `md5=:x:, ${formatReprDigest(contentOf("hello").sha256)}` };
    expect((await put("/digest", "hello", right)).status).toBe(201);
    expect(spooled()).toEqual([]);
  });

  test.each([
    ["GET HTTP/nonsense\r\n\r\n", 400],
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, 431],
  ])("what is no request gets a short text too: %.20s", async (text, status) => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    let reply = "";
    for await (const piece of socket) reply += piece;
    expect(reply).toMatch(
      new RegExp(
        `^HTTP/1.1 ${status} .*\\r\\n[\\s\\S]*Content-Length: \\d+\\r\\n[\\s\\S]*\\r\\n\\r\\n.+\\n$`,
      ),
    );
  });

  test("fewer bytes than announced: no entry, no litter", async () => {
    const basic = Buffer.from(`${server.username}:${server.password}`).toString("base64");
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `PUT /short HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\nContent-Length: 100000\r\n\r\n`,
    );
    socket.write(Buffer.alloc(60_000));
    await expect.poll(spooled).not.toEqual([]);
    socket.destroy();
    await expect.poll(spooled).toEqual([]);
    expect((await send("GET", "/short")).status).toBe(404);
  });
});

describe("the server", () => {
  test("lets exactly one of 200 PUTs at once win", async () => {
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) => put("/race", `content ${index}`)),
    );
    const winners = replies.flatMap(({ status }, index) => (status === 201 ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201, 405]));
    expect((await send("GET", "/race")).body).toBe(`content ${winners[0]}`);
    expect(spooled()).toEqual([]);
  });

  test("dates entries itself", async () => {
    const old = "Sat, 01 Jan 2000 00:00:00 GMT";
    await put("/dated", "x", { date: old, "last-modified": old });
    const reply = await send("HEAD", "/dated");
    expect(Date.now() - Date.parse(reply.headers["last-modified"]!)).toBeLessThan(60_000);
  });

  test("takes accounts up that are made while it runs, and keeps them apart", async () => {
    const { username, password } = await createAccount(server.dataDir, { retentionDays: 365 });
    const auth = `${username}:${password}`;
    await put("/mine", "x");
    expect((await send("GET", "/mine", { auth })).status).toBe(404);
    expect((await send("GET", "/", { auth })).body).toBe("[]\n");
  });

  test("lists a file the operator copied in, and digests it when asked", async () => {
    const file = join(server.archives, "copied");
    writeFileSync(file, "hello");
    await utimes(file, 1_600_000_000, 1_600_000_000);
    expect((await send("GET", "/")).body).toContain(
      '{"name":"/copied","size":5,"createtime":1600000000,',
    );
    expect((await send("HEAD", "/copied")).headers["repr-digest"]).toBe(
      formatReprDigest(contentOf("hello").sha256),
    );
  });

  test("logs requests, and no secret", () => {
    expect(events.length).toBeGreaterThan(20);
    expect(events).toContainEqual(
      expect.objectContaining({ method: "PUT", path: "/taken", status: 405 }),
    );
    const text = JSON.stringify(events);
    expect(text).not.toContain(server.password);
    expect(text).not.toContain(
      Buffer.from(`${server.username}:${server.password}`).toString("base64"),
    );
    expect(events.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("speaks plain HTTP to this machine only, unless a proxy does TLS", () => {
    for (const listen of ["0.0.0.0:0", "[::]:0", "backup.example:80"]) {
      expect(() => createBackupServer({ dataDir: work, listen })).toThrow(
        expect.objectContaining({ code: "usage" }),
      );
      expect(() =>
        createBackupServer({ dataDir: work, listen, behindTlsProxy: true }),
      ).not.toThrow();
    }
    for (const listen of ["", "8080", "host:", "host:99999", "[zz]:1"]) {
      expect(() => createBackupServer({ dataDir: work, listen })).toThrow(
        expect.objectContaining({ code: "usage" }),
      );
    }
    const tls = { cert: "no", key: "no" };
    expect(() => createBackupServer({ dataDir: work, listen: "127.0.0.1:0", tls })).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });

  test("ends what is under way before it closes", async () => {
    const closing = await startServer();
    const basic = Buffer.from(`${closing.username}:${closing.password}`).toString("base64");
    const socket = connect(closing.port, "127.0.0.1");
    socket.write(
      `PUT /slow HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\nContent-Length: 4\r\n\r\nab`,
    );
    const tmp = join(closing.archives, ".restbackup", "tmp");
    await expect.poll(() => readdirSync(tmp)).not.toEqual([]);
    const closed = closing.close();
    socket.write("cd");
    const reply = await new Promise<string>((resolve) =>
      socket.once("data", (data) => resolve(String(data))),
    );
    expect(reply).toMatch(/^HTTP\/1\.1 201 /);
    socket.end();
    await closed;
  });
});
