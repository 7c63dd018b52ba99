import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { listed, type Reply, type SendOptions, send, sha256Of } from "./support/client.ts";
import { authorization, exchange } from "./support/raw.ts";

let server: TestServer;
let etag: string;
let modified: string;
/** Of the file, in seconds since 1970. */
let seconds: number;

const CONTENT = Buffer.from("0123456789");
const digest = (algorithm: string, bytes: Buffer | string) =>
  `${algorithm}=:${createHash(algorithm.replace("-", "")).update(bytes).digest("base64")}:`;
const SHA256 = digest("sha-256", CONTENT);

beforeAll(async () => {
  server = await startServer();
  expect((await send(server, "PUT", "/file", { body: CONTENT })).status).toBe(201);
  expect((await send(server, "PUT", "/empty", { body: Buffer.alloc(0) })).status).toBe(201);
  const { headers } = await send(server, "HEAD", "/file");
  etag = headers.etag!;
  modified = headers["last-modified"]!;
  seconds = Date.parse(modified) / 1000;
});
afterAll(() => server.close());

const get = (headers: Record<string, string>, path = "/file"): Promise<Reply> =>
  send(server, "GET", path, { headers });
let puts = 0;
const put = async (headers: Record<string, string>, body = CONTENT): Promise<Reply> => {
  puts += 1;
  return await send(server, "PUT", `/put-${puts}`, { headers, body });
};
const dateAt = (moment: number) => new Date(moment * 1000);
const rfc850 = (moment: number) => {
  const [, day, month, year, time] = dateAt(moment)
    .toUTCString()
    .match(/(\d\d) (\w+) \d\d(\d\d) (\S+)/)!;
  const weekday = dateAt(moment).toLocaleDateString("en", { weekday: "long", timeZone: "UTC" });
  return `${weekday}, ${day}-${month}-${year} ${time} GMT`;
};
const asctime = (moment: number) => {
  const [, weekday, day, month, year, time] = dateAt(moment)
    .toUTCString()
    .match(/(\w+), (\d\d) (\w+) (\d+) (\S+)/)!;
  return `${weekday} ${month} ${day!.replace(/^0/, " ")} ${time} ${year}`;
};

describe("GET and HEAD (RFC 9110)", () => {
  test("HEAD has the fields of GET, for a file, the listing, the page and what is not there", async () => {
    for (const [path, accept] of [
      ["/file", "*/*"],
      ["/empty", "*/*"],
      ["/", "application/json"],
      ["/", "text/html"],
      ["/missing", "*/*"],
      ["/missing", "application/json"],
      ["/%ff", "text/html"],
    ] as const) {
      const options: SendOptions = { headers: { accept } };
      const [whole, head] = await Promise.all([
        send(server, "GET", path, options),
        send(server, "HEAD", path, options),
      ]);
      const without = ({ headers }: Reply) => {
        const { date, "x-request-id": _, "content-length": length, ...others } = headers;
        expect(Number.isNaN(Date.parse(date!))).toBe(false);
        // The length of a listing is known only when it is made (9.3.2).
        const isListing = path === "/" && accept === "application/json";
        return isListing ? others : { ...others, length };
      };
      expect(head.status).toBe(whole.status);
      expect(without(head)).toEqual(without(whole));
      expect(head.body.length).toBe(0);
      expect(Number(whole.headers["content-length"])).toBe(whole.body.length);
    }
  });

  test("304 has what a cache needs, and nothing of the content", async () => {
    const { status, headers, body } = await get({ "if-none-match": etag });
    expect({ status, length: body.length }).toEqual({ status: 304, length: 0 });
    expect(headers).toMatchObject({ etag, "cache-control": expect.any(String) });
    expect(headers.date).toBeDefined();
    for (const name of ["content-length", "content-type", "content-range", "repr-digest"]) {
      expect(headers[name]).toBeUndefined();
    }
  });

  test.each([
    ["If-None-Match", () => ({ "if-none-match": `"x", W/${etag}` }), 304],
    ["If-Match", () => ({ "if-match": `"x" ,, ${etag}` }), 200],
    ["If-Match that compares weakly", () => ({ "if-match": `W/${etag}` }), 412],
    [
      "If-Match that fails, before all others",
      () => ({ "if-match": '"x"', "if-none-match": etag }),
      412,
    ],
    [
      "If-Match that holds, instead of If-Unmodified-Since",
      () => ({ "if-match": etag, "if-unmodified-since": dateAt(0).toUTCString() }),
      200,
    ],
    [
      "If-None-Match that fails, instead of If-Modified-Since",
      () => ({ "if-none-match": '"x"', "if-modified-since": modified }),
      200,
    ],
    ["If-Modified-Since", () => ({ "if-modified-since": modified }), 304],
    [
      "If-Modified-Since in the form of RFC 850",
      () => ({ "if-modified-since": rfc850(seconds) }),
      304,
    ],
    [
      "If-Modified-Since in the form of asctime",
      () => ({ "if-modified-since": asctime(seconds) }),
      304,
    ],
    ["If-Modified-Since before", () => ({ "if-modified-since": rfc850(seconds - 1) }), 200],
    [
      "If-Modified-Since that is a date, but no HTTP-date",
      () => ({ "if-modified-since": "2099-01-01" }),
      200,
    ],
    ["If-Unmodified-Since before", () => ({ "if-unmodified-since": asctime(seconds - 1) }), 412],
    ["If-Unmodified-Since that is no HTTP-date", () => ({ "if-unmodified-since": "1999" }), 200],
    ["an entity tag without quotes", () => ({ "if-none-match": etag.slice(1, -1) }), 200],
    ["an entity tag within another word", () => ({ "if-none-match": `x${etag}` }), 200],
    ["entity tags without a comma", () => ({ "if-match": `"x" ${etag}` }), 412],
    ["* in a list", () => ({ "if-none-match": '"x", *' }), 200],
    ["a tag in lower case w/", () => ({ "if-none-match": `w/${etag}` }), 200],
  ] as const)("%s", async (_, headers, status) => {
    expect((await get(headers())).status).toBe(status);
    expect((await send(server, "HEAD", "/file", { headers: headers() })).status).toBe(status);
  });

  test("a list that is long and malformed costs no time", async () => {
    const began = performance.now();
    expect((await get({ "if-none-match": `"a"${" , ".repeat(4500)}x` })).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test("conditions on what is not there are not looked at", async () => {
    expect((await get({ "if-match": "*" }, "/missing")).status).toBe(404);
    expect((await get({ "if-none-match": "*" }, "/missing")).status).toBe(404);
  });
});

describe("ranges (RFC 9110, 14)", () => {
  test.each([
    ["bytes=0-0", "0", "bytes 0-0/10"],
    ["bytes=8-", "89", "bytes 8-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-99999999999999999999999", "0123456789", "bytes 0-9/10"],
    ["bytes=5-99999999999999999999999", "56789", "bytes 5-9/10"],
    [`bytes=5-${"9".repeat(400)}`, "56789", "bytes 5-9/10"],
    ["BYTES=1-2", "12", "bytes 1-2/10"],
  ])("%s is a part", async (range, body, contentRange) => {
    const reply = await get({ range });
    expect(reply).toMatchObject({ status: 206 });
    expect(reply.body.toString()).toBe(body);
    expect(reply.headers).toMatchObject({
      "content-range": contentRange,
      "content-length": String(body.length),
      "repr-digest": SHA256,
      "accept-ranges": "bytes",
      etag,
    });
  });

  test.each(["bytes=10-", "bytes=10-20", "bytes=-0", `bytes=${"9".repeat(400)}-`])(
    "%s cannot be satisfied",
    async (range) => {
      const reply = await get({ range });
      expect(reply.status).toBe(416);
      expect(reply.headers["content-range"]).toBe("bytes */10");
      expect(reply.headers["repr-digest"]).toBeUndefined();
    },
  );

  test.each([
    ...["bytes=0-1,3-4", "bytes=2-1", "bytes=", "bytes=-", "bytes=a-b", "bytes=0x1-2", "bytes 0-1"],
    ...["lines=0-1", "bytes=1-2-3", "bytes=+1-2", "bytes=--1", "bytes=1.5-2", "none"],
    "bytes=99999999999999999999-99999999999999999998",
  ])("%s is passed over", async (range) => {
    const reply = await get({ range });
    expect({ status: reply.status, body: reply.body.toString() }).toEqual({
      status: 200,
      body: CONTENT.toString(),
    });
    expect(reply.headers["content-range"]).toBeUndefined();
  });

  test("an empty file has no first byte, and its last bytes are all of it", async () => {
    const first = await get({ range: "bytes=0-" }, "/empty");
    expect(first).toMatchObject({ status: 416, headers: { "content-range": "bytes */0" } });
    expect(await get({ range: "bytes=-5" }, "/empty")).toMatchObject({ status: 200 });
  });

  test.each([
    ["the tag", () => etag, 206],
    ["another tag", () => '"x"', 200],
    ["a weak tag", () => `W/${etag}`, 200],
    ["a list of tags", () => `"x", ${etag}`, 200],
    ["*", () => "*", 200],
    ["the date", () => modified, 206],
    ["the date in the form of RFC 850", () => rfc850(seconds), 206],
    ["the date in the form of asctime", () => asctime(seconds), 206],
    ["a later date", () => dateAt(seconds + 1).toUTCString(), 200],
    ["an earlier date", () => dateAt(seconds - 1).toUTCString(), 200],
    ["the date in no form of HTTP", () => dateAt(seconds).toISOString(), 200],
  ] as [string, () => string, number][])("If-Range with %s", async (_, value, status) => {
    expect((await get({ range: "bytes=1-2", "if-range": value() })).status).toBe(status);
    // What is beyond the end is not looked at when the whole is sent.
    const beyond = await get({ range: "bytes=50-", "if-range": value() });
    expect(beyond.status).toBe(status === 206 ? 416 : 200);
    expect((await get({ "if-range": value() })).status).toBe(200);
  });

  test("other conditions come first, and HEAD has no ranges", async () => {
    const range = "bytes=1-2";
    expect((await get({ range, "if-none-match": etag })).status).toBe(304);
    expect((await get({ range: "bytes=50-", "if-match": '"x"' })).status).toBe(412);
    expect((await get({ range, "if-match": etag })).status).toBe(206);
    const head = await send(server, "HEAD", "/file", { headers: { range } });
    expect(head).toMatchObject({ status: 200, headers: { "content-length": "10" } });
  });
});

describe("digests (RFC 9530)", () => {
  test("Repr-Digest is of the whole, whatever part is sent", async () => {
    expect((await get({})).headers["repr-digest"]).toBe(SHA256);
    expect((await get({ range: "bytes=1-1" })).headers["repr-digest"]).toBe(SHA256);
    expect((await send(server, "HEAD", "/file")).headers["repr-digest"]).toBe(SHA256);
  });

  test.each([
    ["sha-256=1", true],
    ["sha-512=10, sha-256=3", true],
    ["sha-512=10", true],
    ["sha-256=0", false],
    ["sha-512=5, sha-256=0", false],
    ["nonsense!", true],
  ])("Want-Repr-Digest: %s", async (wanted, sent) => {
    const { status, headers } = await get({ "want-repr-digest": wanted });
    expect(status).toBe(200);
    expect(headers["repr-digest"]).toBe(sent ? SHA256 : undefined);
  });

  const right = { 256: SHA256, 512: digest("sha-512", CONTENT) };
  const wrong = { 256: digest("sha-256", "x"), 512: digest("sha-512", "x") };
  const bodyless = "sha-256=:AAAA:";
  for (const field of ["repr-digest", "content-digest"]) {
    test.each([
      ["sha-256", right[256]],
      ["sha-512", right[512]],
      ["both", `${right[512]},${right[256]}`],
      ["with parameters", `${right[256]};a=1; b="c,d"`],
      ["with an algorithm nobody knows", `unixsum=:AAA=:, ${right[256]}`],
      ["only of an algorithm nobody knows", "unixsum=:AAA=:"],
      ["twice, the last one right", `${wrong[256]}, ${right[256]}`],
    ])(`${field} %s, right`, async (_, value) => {
      expect((await put({ [field]: value })).status).toBe(201);
    });

    test.each([
      ["of other content", wrong[256]],
      ["of other content, sha-512", wrong[512]],
      ["of two, one of other content", `${right[256]}, ${wrong[512]}`],
      ["too short", bodyless],
      ["not Base64", "sha-256=:!!!!:"],
      ["without colons", right[256].replaceAll(":", "")],
      ["in hexadecimal", `sha-256=${sha256Of(CONTENT)}`],
      ["with half a list", `${right[256]},`],
      ["with something after it", `${right[256]} x`],
      ["with an algorithm in capitals", right[256].replace("sha", "SHA")],
      ["that is nothing", "x"],
    ])(`${field} %s: 400, and no entry`, async (_, value) => {
      const reply = await put({ [field]: value });
      expect(reply.status).toBe(400);
      expect(reply.body.toString()).toMatch(/^.+\n$/);
      expect((await listed(server)).has(`put-${puts}`)).toBe(false);
    });
  }

  test("fields that contradict each other are 400", async () => {
    const headers = { "repr-digest": right[256], "content-digest": wrong[256] };
    expect((await put(headers)).status).toBe(400);
    const agreeing = { "repr-digest": right[256], "content-digest": right[256] };
    expect((await put(agreeing)).status).toBe(201);
  });
});

describe("PUT (RFC 9110)", () => {
  test("If-None-Match: * is met by a free name; a taken one is 405 with or without it", async () => {
    expect((await put({ "if-none-match": "*" })).status).toBe(201);
    // A condition does not count where the answer is a refusal without it (13.2.1).
    for (const headers of [{ "if-none-match": "*" }, { "if-match": "*" }, {}]) {
      const again = await send(server, "PUT", "/file", { headers, body: CONTENT });
      expect(again).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    }
  });

  test("If-Match is never met by a free name", async () => {
    expect((await put({ "if-match": "*" })).status).toBe(412);
    expect((await put({ "if-match": etag })).status).toBe(412);
  });

  test("a part is not stored, and a length is needed and bounded", async () => {
    expect((await put({ "content-range": "bytes 0-9/20" })).status).toBe(400);
    const auth = authorization(server);
    const head = `PUT /bounded HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n`;
    expect(await exchange(server.port, `${head}\r\n`)).toMatchObject([{ status: 411 }]);
    for (const length of ["5368709121", "9007199254740993", "18446744073709551615"]) {
      const text = `${head}Expect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
      expect(await exchange(server.port, text)).toMatchObject([{ status: 413 }]);
    }
  });
});

describe("methods", () => {
  test.each([
    ...(["DELETE", "POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "COPY"] as const).map(
      (method) => [method, "/file", "GET, HEAD, PUT"] as const,
    ),
    ["PUT", "/file", "GET, HEAD"],
    ["PUT", "/", "GET, HEAD, POST"],
    ["DELETE", "/", "GET, HEAD, POST"],
    ["OPTIONS", "/", "GET, HEAD, POST"],
    ["TRACE", "/", "GET, HEAD, POST"],
    ["POST", "/", "GET, HEAD, POST"],
    ["PUT", "/session/x/y", "GET, HEAD"],
    ["DELETE", "/session/x/", "GET, HEAD, POST"],
  ] as const)("%s %s is 405, and says what is allowed", async (method, path, allow) => {
    const reply = await send(server, method, path, { headers: { "content-length": 0 } });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe(allow);
    // Nothing of the request comes back: TRACE would tell a page its credentials.
    expect(reply.body.toString()).not.toContain("Basic");
  });
});
