import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { listed, send } from "./support/client.ts";
import { authorization, exchange, openConnection, parseAnswers, readToEnd } from "./support/raw.ts";
import { seededBytes } from "./support/seeded.ts";

let server: TestServer;
let auth: string;
let stored = 0;

beforeAll(async () => {
  server = await startServer({
    limits: { headersTimeout: 600, bodyPace: { bytes: 8000, window: 600 }, connections: 40 },
  });
  auth = authorization(server);
  await serveHonestly(server);
});
afterEach(() => serveHonestly(server));
afterAll(() => server.close());

/** An upload, and reading it back, by a client that means well. */
async function serveHonestly(target: TestServer): Promise<void> {
  stored += 1;
  const body = seededBytes(`honest ${stored}`, 100_000);
  expect((await send(target, "PUT", `/honest-${stored}`, { body })).status).toBe(201);
  expect((await send(target, "GET", `/honest-${stored}`)).body.equals(body)).toBe(true);
}

const END = "Connection: close\r\n\r\n";
const head = (method: string, path: string, fields = "") =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${auth}${fields}`;

describe("what is not HTTP/1.1 is refused, and the connection closed", () => {
  const host = "Host: x\r\n";
  test.each([
    ["HTTP/0.9", "GET /\r\n\r\n", 400],
    ["HTTP/0.9 by name", "GET / HTTP/0.9\r\n\r\n", 400],
    ["HTTP/1.2", `GET / HTTP/1.2\r\n${host}${END}`, 400],
    ["HTTP/2.0", `GET / HTTP/2.0\r\n${host}${END}`, 400],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n", 400],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    ["a method that is none", `BREW / HTTP/1.1\r\n${host}${END}`, 400],
    ["a method in lower case", `get / HTTP/1.1\r\n${host}${END}`, 400],
    ["a tunnel", `CONNECT x:443 HTTP/1.1\r\n${host}\r\n`, 405],
    ["no Host", `GET / HTTP/1.1\r\n${END}`, 400],
    ["two Hosts", `GET / HTTP/1.1\r\n${host}${host}${END}`, 400],
    ["line ends without CR", `GET / HTTP/1.1\nHost: x\n\n`, 400],
    ["a space before a colon", `GET / HTTP/1.1\r\nHost : x\r\n${END}`, 400],
    ["a folded line", `GET / HTTP/1.1\r\n${host}A: b\r\n c\r\n${END}`, 400],
    ["a NUL in a field", `GET / HTTP/1.1\r\n${host}A: b\0c\r\n${END}`, 400],
    ["a CR in a field", `GET / HTTP/1.1\r\n${host}A: b\rc\r\n${END}`, 400],
    ["a field without a name", `GET / HTTP/1.1\r\n${host}: b\r\n${END}`, 400],
    ["an expectation nobody meets", `GET / HTTP/1.1\r\n${host}Expect: tea\r\n${END}`, 417],
    ["a header of many bytes", `GET / HTTP/1.1\r\n${host}A: ${"b".repeat(20_000)}\r\n${END}`, 431],
    ["a header of many fields", `GET / HTTP/1.1\r\n${host}${"A: b\r\n".repeat(9000)}${END}`, 431],
    ["a path of many bytes", `GET /${"a".repeat(20_000)} HTTP/1.1\r\n${host}${END}`, 431],
  ])("%s", async (_, text, status) => {
    const answers = await exchange(server.port, text);
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(answers[0]!.body.toString()).toMatch(/^.+\n$/);
    expect(answers[0]!.headers.connection).toBe("close");
  });

  test("fields beyond the two thousandth are read as the others are", async () => {
    const fields = "a:\r\n".repeat(2500);
    const text = `GET / HTTP/1.1\r\nHost: x\r\n${fields}${auth}${END}`;
    expect(await exchange(server.port, text)).toMatchObject([{ status: 200 }]);
  });

  test("an upgrade is not followed", async () => {
    for (const protocol of ["h2c", "websocket"]) {
      const fields = `Upgrade: ${protocol}\r\nConnection: Upgrade, close\r\n\r\n`;
      expect(await exchange(server.port, head("GET", "/", fields))).toMatchObject([
        { status: 200 },
      ]);
    }
  });
});

describe("content whose length is in doubt is refused, and the connection closed", () => {
  test.each([
    ["Content-Length and Transfer-Encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"],
    ["Transfer-Encoding and Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"],
    ["two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"],
    ["the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n"],
    ["a list of lengths", "Content-Length: 5, 5\r\n"],
    ["a negative length", "Content-Length: -5\r\n"],
    ["a length with a sign", "Content-Length: +5\r\n"],
    ["a length in hexadecimal", "Content-Length: 0x5\r\n"],
    ["a length of 2^64 + 5", "Content-Length: 18446744073709551621\r\n"],
    ["an empty length", "Content-Length:\r\n"],
    ["chunked, but not last", "Transfer-Encoding: chunked, gzip\r\n"],
    ["chunked twice", "Transfer-Encoding: chunked, chunked\r\n"],
    ["another coding", "Transfer-Encoding: gzip\r\n"],
  ])("%s", async (_, fields) => {
    const smuggled = head("PUT", "/smuggled", "Content-Length: 0\r\n\r\n");
    const text = `${head("PUT", "/doubtful", `${fields}\r\n`)}5\r\nhello\r\n0\r\n\r\n${smuggled}`;
    const answers = await exchange(server.port, text);
    expect(answers).toMatchObject([{ status: 400, headers: { connection: "close" } }]);
    const names = [...(await listed(server)).keys()];
    expect(names.filter((name) => !name.startsWith("honest"))).toEqual([]);
  });

  test("chunks are refused with 411, and broken ones too", async () => {
    const fields = `Transfer-Encoding: chunked\r\n${END}`;
    for (const chunks of ["5\r\nhello\r\n0\r\n\r\n", "zz\r\nhello", "ffffffffffffffffff\r\n"]) {
      const [answer, ...more] = await exchange(
        server.port,
        head("PUT", "/chunks", fields) + chunks,
      );
      expect([400, 411]).toContain(answer!.status);
      expect(more).toEqual([]);
    }
    const whole = `${head("PUT", "/chunks", fields)}5\r\nhello\r\n0\r\n\r\n`;
    expect(await exchange(server.port, whole)).toMatchObject([{ status: 411 }]);
  });

  test("too few bytes make no entry; what is too many is not part of it", async () => {
    const socket = await openConnection(server.port);
    socket.end(`${head("PUT", "/short", "Content-Length: 10\r\n\r\n")}hello`);
    await readToEnd(socket);
    expect((await send(server, "GET", "/short")).status).toBe(404);
    const long = `${head("PUT", "/honest-long", "Content-Length: 5\r\n\r\n")}hello, world`;
    expect(await exchange(server.port, long)).toMatchObject([{ status: 201 }, { status: 400 }]);
    expect((await send(server, "GET", "/honest-long")).body.toString()).toBe("hello");
  });
});

describe("paths that try to be something else", () => {
  const refused = [
    ...["/a%2fb", "/a%2Fb", "/..%2fx", "/..%2f..%2f..%2fetc%2fpasswd", "/%2fetc"],
    ...["/..", "/.", "/../x", "/a/../b", "/a/./b", "/a/..", "/%2e%2e/x", "/.%2e/x", "/%2E./x"],
    ...["//", "//a", "/a//b", "/a/", "/a%00b", "/%00", "/a%0d%0ab", "/a%7f", "/a%c2%85"],
    // Overlong forms of ".", "/" and NUL; half a pair of surrogates; bytes that are no UTF-8.
    ...["/%c0%ae%c0%ae/x", "/%c0%afx", "/%e0%80%afx", "/%f0%80%80%afx", "/%c0%80"],
    ...["/%ed%a0%80", "/%ff", "/%fe%ff", "/%c3", "/%f5%80%80%80"],
    ...["/a%", "/a%2", "/a%zz", "/%u002e%u002e/x", "/%%32%65/x", "/a?b", "/a?/../b"],
    ...["*", "http://x/a/../b", "http://x//a", "http://x/%2e%2e/b", "ftp://x/a"],
    ...[`/${"a".repeat(256)}`, `/${"a/".repeat(512)}a`, "/session%2fx/y"],
  ];
  test.each(refused)("%s is refused", async (path) => {
    const answers = [
      ...(await exchange(server.port, head("GET", path, END))),
      ...(await exchange(server.port, head("PUT", path, `Content-Length: 1\r\n${END}x`))),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 400]);
  });

  test.each(["x:443", "x/y", "/a\0b", "/\xc0\xaf", "/a\tb", "/a b", "", "\\..\\x"])(
    "%j is no path at all",
    async (path) => {
      expect(await exchange(server.port, head("GET", path, END))).toMatchObject([{ status: 400 }]);
    },
  );

  test("names that only look like it are ordinary names, and stay in the account", async () => {
    const before = readdirSync(server.dataDir).sort();
    const names = ["%2e%2e", "..\\x", "\\", "\uff0e\uff0e", "...", "..a", "CON", "~", "-rf", "a:b"];
    for (const name of names) {
      const path = `/honest-dir/${encodeURIComponent(name)}/x`;
      const put = head("PUT", path, `Content-Length: 1\r\n${END}x`);
      expect(await exchange(server.port, put)).toMatchObject([{ status: 201 }]);
      expect(await exchange(server.port, head("GET", path, END))).toMatchObject([{ status: 200 }]);
    }
    const entries = await listed(server);
    const present = [...entries.keys()].filter((name) => name.startsWith("honest-dir/"));
    expect(present.sort()).toEqual(names.map((name) => `honest-dir/${name}/x`).sort());
    expect(readdirSync(server.dataDir).sort()).toEqual(before);
  });

  test("a path in absolute form is the path in it", async () => {
    await send(server, "PUT", "/honest-absolute", { body: Buffer.from("x") });
    const text = head("GET", "http://elsewhere:80/honest-absolute", END);
    expect(await exchange(server.port, text)).toMatchObject([{ status: 200 }]);
  });
});

describe("slow clients", () => {
  test.each([
    ["says nothing", ""],
    ["begins a header", "GET / HTTP/1.1\r\nHost: x\r\nA: "],
  ])("one that %s is cut, however it trickles", async (_, start) => {
    const socket = await openConnection(server.port);
    socket.write(start);
    const trickle = setInterval(() => start !== "" && socket.write("a"), 50);
    const began = performance.now();
    const answers = parseAnswers(await readToEnd(socket, 5000));
    clearInterval(trickle);
    expect(answers).toMatchObject([{ status: 408 }]);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test.each([
    ["PUT", "/trickled", ""],
    ["POST", "/", "X-HTTP-Method-Override: MAKESESSION\r\n"],
  ])("content of a %s that trickles is cut, and leaves nothing", async (method, path, fields) => {
    const socket = await openConnection(server.port);
    socket.write(head(method, path, `${fields}Content-Length: 10000\r\n\r\n`));
    const trickle = setInterval(() => socket.write("a".repeat(50)), 25);
    const began = performance.now();
    const answers = parseAnswers(await readToEnd(socket, 5000));
    clearInterval(trickle);
    expect(answers).toMatchObject([{ status: 408, headers: { connection: "close" } }]);
    expect(performance.now() - began).toBeLessThan(3000);
    expect((await listed(server)).has("trickled")).toBe(false);
  });

  test("an upload that is slow but steady ends well, and so does one with a pause", async () => {
    const body = seededBytes("steady", 80_000);
    const socket = await openConnection(server.port);
    socket.write(head("PUT", "/honest-steady", `Content-Length: ${body.length}\r\n${END}`));
    const reply = readToEnd(socket);
    for (let sent = 0; sent < body.length; sent += 2000) {
      socket.write(body.subarray(sent, sent + 2000));
      await sleep(sent === 40_000 ? 300 : 50);
    }
    expect(parseAnswers(await reply)).toMatchObject([{ status: 201 }]);
    expect((await send(server, "GET", "/honest-steady")).body.equals(body)).toBe(true);
  });

  test("a client that waits to be told to go on is not slow meanwhile", async () => {
    const socket = await openConnection(server.port);
    const fields = `Content-Length: 5\r\nExpect: 100-continue\r\n${END}`;
    socket.write(head("PUT", "/honest-waiting", fields));
    const reply = readToEnd(socket);
    await sleep(200);
    socket.write("hello");
    expect(parseAnswers(await reply)).toMatchObject([{ status: 201 }]);
  });
});

describe("many connections", () => {
  test("beyond the bound the one that is idle longest makes room; who is served stays", async () => {
    // Long timeouts: only the bound closes anything here.
    const bounded = await startServer({ limits: { connections: 40 } });
    try {
      const upload = await openConnection(bounded.port);
      const fields = `${authorization(bounded)}Content-Length: 10\r\n${END}`;
      upload.write(`PUT /upload HTTP/1.1\r\nHost: x\r\n${fields}hello`);
      const uploaded = readToEnd(upload);
      await sleep(600);
      const idle = [];
      const closed: number[] = [];
      for (let index = 0; index < 100; index += 1) {
        const socket = await openConnection(bounded.port);
        socket.on("close", () => closed.push(index)).resume();
        // Half of them look as if they were about to ask for something.
        if (index % 2 === 0) socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
        idle.push(socket);
      }
      await serveHonestly(bounded);
      await sleep(100);
      expect(closed.slice(0, 61)).toEqual([...Array(closed.length).keys()].slice(0, 61));
      expect(closed.length).toBeGreaterThanOrEqual(61);
      expect(closed.length).toBeLessThan(66);
      upload.write("hello");
      expect(parseAnswers(await uploaded)).toMatchObject([{ status: 201 }]);
      for (const socket of idle) socket.destroy();
    } finally {
      await bounded.close();
    }
  });
});

describe("requests in a row on one connection", () => {
  test("are answered in their order, whichever is ready first", async () => {
    const big = seededBytes("pipelined", 3_000_000);
    await send(server, "PUT", "/honest-big", { body: big });
    const requests = Array.from({ length: 20 }, (_, index) =>
      [
        head("GET", "/honest-big", "\r\n"),
        head("HEAD", "/honest-big", "\r\n"),
        head("GET", "/missing", "\r\n"),
        `${head("PUT", `/honest-row-${index}`, "Content-Length: 3\r\n\r\n")}abc`,
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      ].at(index % 5),
    );
    const methods = requests.map((request) => request!.split(" ")[0]!);
    const text = requests.join("") + head("GET", "/honest-1", END);
    const answers = await exchange(server.port, text, methods);
    const row = [200, 200, 404, 201, 401];
    expect(answers.map(({ status }) => status)).toEqual([...row, ...row, ...row, ...row, 200]);
    expect(answers[0]!.body.equals(big)).toBe(true);
    expect(answers[15]!.body.equals(big)).toBe(true);
  });

  test("what is garbage after a request does not get into that request's answer", async () => {
    const big = seededBytes("before garbage", 3_000_000);
    await send(server, "PUT", "/honest-before-garbage", { body: big });
    for (const [garbage, status] of [
      ["garbage\r\n\r\n", 400],
      ["CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    ] as const) {
      const text = head("GET", "/honest-before-garbage", "\r\n") + garbage;
      const answers = await exchange(server.port, text);
      expect(answers).toMatchObject([{ status: 200 }, { status }]);
      expect(answers[0]!.body.equals(big)).toBe(true);
    }
  });
});

describe("on the port for TLS", () => {
  let secure: TestServer;
  beforeAll(async () => {
    secure = await startServer({ tls: true, limits: { headersTimeout: 600, connections: 40 } });
  });
  afterAll(() => secure.close());
  afterEach(() => serveHonestly(secure));

  test.each([
    ["plain HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["noise", seededBytes("noise", 5000).toString("latin1")],
    ["a record too long", "\x16\x03\x01\xff\xff".padEnd(70_000, "a")],
    ["half a handshake", "\x16\x03\x01\x02\x00\x01"],
    ["nothing", ""],
  ])("%s gets nothing of ours, and is cut", async (_, bytes) => {
    const socket = await openConnection(secure.port);
    socket.write(Buffer.from(bytes, "latin1"));
    const reply = await readToEnd(socket, 5000);
    expect(reply.toString("latin1")).not.toContain("HTTP/");
  });

  test("connections that never shake hands are bounded with the others", async () => {
    const idle = [];
    for (let index = 0; index < 60; index += 1) idle.push(await openConnection(secure.port));
    await serveHonestly(secure);
    for (const socket of idle) socket.destroy();
  });

  test("garbage inside of TLS is refused in it", async () => {
    const socket = connectTls({ port: secure.port, ca: readFileSync(secure.caFile!) });
    socket.on("error", () => {});
    socket.write("garbage\r\n\r\n");
    expect(parseAnswers(await readToEnd(socket))).toMatchObject([{ status: 400 }]);
  });
});
