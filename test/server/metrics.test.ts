import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLog } from "../../src/server/logging.ts";
import { Metrics } from "../../src/server/metrics.ts";
import type { ServerEvent } from "../../src/server/server-event.ts";
import { makeCertificate } from "./support/certificates.ts";
import { basic, type OperatedServer, operate } from "./support/operated.ts";

let server: OperatedServer;
let authorization: string;

beforeAll(async () => {
  server = await operate({ metrics: "127.0.0.1:0", firstSweepAfter: 300 });
  authorization = basic(server);
});
afterAll(() => server.close());

const ask = (path: string, init: RequestInit = {}) =>
  fetch(new URL(path, server.url), { ...init, headers: { authorization, ...init.headers } });

/** The samples of an exposition, by name and labels as they are written. */
async function samples(from: OperatedServer = server): Promise<Map<string, number>> {
  const text = await (await fetch(new URL("/metrics", from.metricsUrl))).text();
  return parse(text);
}

function parse(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const [, series, value] = /^([a-z0-9_:]+(?:\{[^}]*\})?) (\S+)$/i.exec(line)!;
      return [series!, Number(value)];
    }),
  );
}

const value = async (series: string) => (await samples()).get(series);

describe("/metrics", () => {
  test("count requests, bytes and failed logins, by what became of them", async () => {
    const before = await samples();
    const content = "x".repeat(100_000);
    expect((await ask("/counted", { method: "PUT", body: content })).status).toBe(201);
    expect(await (await ask("/counted")).text()).toBe(content);
    expect((await ask("/counted", { method: "PUT", body: content })).status).toBe(405);
    expect((await ask("/", { headers: { authorization: "" } })).status).toBe(401);
    const wrong = { authorization: basic({ ...server, password: "wrong" }) };
    expect((await ask("/", { headers: wrong })).status).toBe(401);
    expect((await ask("/", { method: "WEIRD" })).status).toBe(400);
    const grown = async (series: string) =>
      ((await value(series)) ?? 0) - (before.get(series) ?? 0);
    const requests = (labels: string) => grown(`restbackup_requests_total{${labels}}`);
    await expect.poll(() => requests('method="PUT",status="201"')).toBe(1);
    await expect.poll(() => requests('method="PUT",status="405"')).toBe(1);
    await expect.poll(() => requests('method="GET",status="401"')).toBe(2);
    expect(await grown('restbackup_failed_logins_total{result="wrong"}')).toBe(1);
    expect(await grown('restbackup_request_duration_seconds_bucket{le="+Inf",method="PUT"}')).toBe(
      2,
    );
    const received = await grown("restbackup_received_bytes_total");
    expect(received).toBeGreaterThan(200_000);
    expect(received).toBeLessThan(205_000);
    const sent = await grown("restbackup_sent_bytes_total");
    expect(sent).toBeGreaterThan(100_000);
    expect(sent).toBeLessThan(110_000);
    expect(await value('restbackup_requests_under_way{method="PUT"}')).toBe(0);
  });

  test("show an upload under way, and one whose client went away", async () => {
    const socket = connect(server.port, "127.0.0.1");
    const head = `PUT /left HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`;
    socket.write(`${head}Content-Length: 10\r\n\r\nhalf`);
    await expect.poll(() => value('restbackup_requests_under_way{method="PUT"}')).toBe(1);
    expect(await value("restbackup_connections")).toBeGreaterThanOrEqual(1);
    socket.resetAndDestroy();
    await expect.poll(() => value('restbackup_requests_under_way{method="PUT"}')).toBe(0);
    expect(await value('restbackup_requests_total{method="PUT",status="none"}')).toBe(1);
  });

  test("tell what is stored, what the sweep did, and how the machine is", async () => {
    await expect.poll(() => value('restbackup_sweeps_total{result="done"}')).toBe(1);
    const found = await samples();
    for (const [series, least] of [
      [`restbackup_stored_files{account="${server.username}"}`, 0],
      ["restbackup_sweep_end_timestamp_seconds", Date.now() / 1000 - 60],
      ["restbackup_swept_files_total", 0],
      ["restbackup_held_back_files", 0],
      ["restbackup_clock_leap_seconds", 0],
      ["restbackup_disk_free_bytes", 1],
      ["restbackup_disk_size_bytes", found.get("restbackup_disk_free_bytes")],
      ["restbackup_disk_free_files", 1],
      ["process_resident_memory_bytes", 10_000_000],
      ["nodejs_eventloop_lag_p99_seconds", 0],
      ["process_open_fds", 3],
      ["restbackup_errors_total", 0],
    ] as const) {
      expect([series, found.get(series)! >= least!]).toEqual([series, true]);
    }
  });

  test("tell when the certificate expires", async () => {
    const { cert, key } = makeCertificate(join(server.dataDir, "tls"), 7);
    const secure = await operate({ tls: { cert, key }, metrics: "127.0.0.1:0" });
    const expires = (await samples(secure)).get("restbackup_certificate_expiry_timestamp_seconds")!;
    expect(Math.abs(expires - Date.now() / 1000 - 7 * 86_400)).toBeLessThan(600);
    await secure.close();
  });

  test("stay few, whatever methods clients send and however many accounts there are", async () => {
    const metrics = new Metrics({ dataDir: server.dataDir, connections: () => 0 });
    const exchange = { id: "", path: "/", status: 405, username: undefined, remoteAddress: "" };
    for (let index = 0; index < 500; index += 1) {
      const method = `M${index}`;
      metrics.requestBegun(method);
      const amounts = { seconds: 1, bytesIn: 1, bytesOut: 1, withCredentials: false };
      metrics.requestEnded({ ...exchange, method, ...amounts });
    }
    const none = { files: 0, bytes: 0 };
    const accounts = Array.from({ length: 1000 }, (_, index) => ({
      username: `user${index}`,
      deleted: none,
      heldBack: none,
      kept: { files: 1, bytes: index },
    }));
    metrics.swept({ seconds: 1, accounts, failures: [] });
    metrics.swept({ seconds: 1, accounts, failures: [] });
    const found = parse((await metrics.exposition()).text);
    expect(found.size).toBeLessThan(500);
    expect(found.get('restbackup_requests_total{method="other",status="405"}')).toBe(500);
    expect(found.get('restbackup_stored_bytes{account="user999"}')).toBe(999);
    expect(found.get('restbackup_stored_files{account="(others)"}')).toBe(900);
    const all = [...found].filter(([series]) => series.startsWith("restbackup_stored_files"));
    expect(all.reduce((sum, [, files]) => sum + files, 0)).toBe(1000);
  });
});

describe("the listener beside the API", () => {
  test("says that the process is alive and the server ready, and nothing else", async () => {
    const at = (path: string, init?: RequestInit) => fetch(new URL(path, server.metricsUrl), init);
    expect(await (await at("/healthz")).text()).toBe("alive\n");
    expect(await (await at("/readyz")).text()).toBe("ready\n");
    expect((await at("/")).status).toBe(404);
    expect((await at("/metrics", { method: "POST" })).status).toBe(405);
    expect((await at("/metrics")).headers.get("content-type")).toMatch(/^text\/plain; version=0/);
  });

  test("is not part of the API, where nobody reads metrics without a password", async () => {
    for (const path of ["/metrics", "/healthz", "/readyz"]) {
      expect((await fetch(new URL(path, server.url))).status).toBe(401);
      expect((await ask(path)).status).toBe(404);
    }
  });
});

describe("the log", () => {
  const requestOf = (path: string) =>
    server.events.filter((event) => event.message === "answered" && event.path === path);

  test("has a line for each request: whose, from where, how long, how much", async () => {
    const reply = await ask("/logged?x=secret", { method: "PUT", body: "12345" });
    expect(reply.status).toBe(400);
    const good = await ask("/logged", { method: "PUT", body: "12345" });
    await expect.poll(() => requestOf("/logged")).toHaveLength(2);
    const [refused, stored] = requestOf("/logged");
    expect(refused).toMatchObject({ status: 400 });
    expect(stored).toMatchObject({
      level: "info",
      method: "PUT",
      status: 201,
      username: server.username,
      remoteAddress: "127.0.0.1",
      requestId: good.headers.get("x-request-id"),
      milliseconds: expect.any(Number),
    });
    expect(stored!.bytesIn).toBeGreaterThan(100);
    expect(stored!.bytesOut).toBeGreaterThan(100);
    expect(new Set(server.events.map(({ requestId }) => requestId)).size).toBeGreaterThan(1);
  });

  test("holds no secret: passwords, queries, session tokens, credentials in odd targets", async () => {
    const made = await ask("/", {
      method: "POST",
      headers: { "x-http-method-override": "MAKESESSION" },
    });
    const location = made.headers.get("location")!;
    expect((await fetch(location)).status).toBe(200);
    await fetch(location.replace("/session/", "/%73ession/"));
    for (const target of ["ftp://user:hunter2@host/x", "http://user:hunter2@host/x"]) {
      const req = request({ port: server.port, host: "127.0.0.1", path: target }).end();
      const [res] = await once(req, "response");
      res.resume();
      await once(res, "end");
    }
    const text = () => JSON.stringify(server.events);
    await expect.poll(() => requestOf("/session/…").length).toBeGreaterThanOrEqual(2);
    await expect.poll(() => server.events.some(({ path }) => path === "…")).toBe(true);
    const token = new URL(location).pathname.split("/")[2]!;
    for (const secret of [server.password, authorization.slice(6), token, "hunter2", "x=secret"]) {
      expect(text()).not.toContain(secret);
    }
  });

  test("is a line of JSON for each event, or of text, whatever a client put into its path", () => {
    const event: ServerEvent = {
      ...{
        level: "info",
        message: "answered",
        method: "GET",
        path: "/a\n\u001b[31mb",
        status: 404,
      },
      ...{ username: undefined, remoteAddress: "192.0.2.1", requestId: "x-1", milliseconds: 12 },
      ...{ bytesIn: 3, bytesOut: 4 },
    };
    const lines: string[] = [];
    const json = createLog("json", (line) => lines.push(line));
    const text = createLog("text", (line) => lines.push(line));
    json(event);
    text(event);
    text({ level: "error", message: "it failed", path: "/x", method: "PUT" });
    text({ level: "info", message: "deleted 2 files", username: "me" });
    expect(JSON.parse(lines[0]!)).toEqual({
      ...{ level: "info", time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) },
      ...{ message: "answered", method: "GET", path: "/a\n\u001b[31mb", status: 404 },
      ...{ remoteAddress: "192.0.2.1", requestId: "x-1", milliseconds: 12 },
      ...{ bytesIn: 3, bytesOut: 4 },
    });
    expect(lines.map((line) => line.split("\n").length)).toEqual([1, 1, 1, 1]);
    expect(lines[1]).toMatch(
      /^\S+Z GET \/a\\x0a\\x1b\[31mb 404 - 192\.0\.2\.1 12 ms in 3 out 4 id x-1$/,
    );
    expect(lines[2]).toMatch(/Z error: it failed PUT \/x$/);
    expect(lines[3]).toMatch(/Z deleted 2 files me$/);
  });
});

test("requests sent at once on a connection are answered in order, each after the one before", async () => {
  const socket = connect(server.port, "127.0.0.1");
  const head = (line: string, more = "") =>
    `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n${more}\r\n`;
  // The GET would find nothing if it did not wait for the PUT.
  const pairs = Array.from({ length: 20 }, (_, index) => {
    const name = `/pipelined-${index}`;
    return `${head(`PUT ${name}`, "Content-Length: 3\r\n")}abc${head(`GET ${name}`)}`;
  });
  socket.write(pairs.join("") + head("GET /pipelined-0", "Connection: close\r\n"));
  let text = "";
  for await (const piece of socket) text += piece;
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));
  expect(statuses).toEqual([...Array.from({ length: 20 }, () => [201, 200]).flat(), 200]);
});
