import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { inspect, promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { BackupApiStore } from "../../src/stores/backup-api.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { type Cut, startCuttingProxy } from "../support/cutting-proxy.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { contentOf, namesIn, randomContent, readAll } from "./content.ts";

const retry = { retries: 5, firstDelay: 5 };
const cleanUps: (() => Promise<unknown>)[] = [];
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => await server.close());
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function open(url: string, env = {}): Promise<Store> {
  const store = await openStore(url, { env, retry });
  cleanUps.push(() => store.close());
  return store;
}

/** The real server, through a proxy that cuts. */
async function openCut(plan: (connection: number) => Cut | undefined) {
  const proxy = await startCuttingProxy(server.port, plan);
  cleanUps.push(() => proxy.close());
  return { proxy, store: await open(proxy.through(server.accessUrl)) };
}

type Handler = (req: IncomingMessage, res: ServerResponse, count: number) => void;

/** A server that misbehaves in a way of the test's choosing. */
async function openScripted(handler: Handler) {
  const requests: string[] = [];
  const scripted = createServer((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    const handle = () => handler(req, res, requests.length);
    if (req.method === "PUT") req.resume().on("end", handle);
    else handle();
  });
  scripted.listen(0, "127.0.0.1");
  await once(scripted, "listening");
  cleanUps.push(async () => {
    scripted.closeAllConnections();
    scripted.close();
  });
  const { port } = scripted.address() as AddressInfo;
  const store = await open(`http://someuser:s3cretPassw0rd@127.0.0.1:${port}/`);
  return { store, requests };
}

let counter = 0;
function newName(): string {
  counter += 1;
  return `entry-${counter}`;
}

async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & { code: string; hint?: string }> {
  return (await promise.then(
    () => expect.fail("was no failure"),
    (error: unknown) => error,
  )) as Error & { code: string; hint?: string };
}

describe("the Backup API client", () => {
  test("puts, looks up, lists and gets, names of every kind included", async () => {
    const store = await open(server.accessUrl);
    const content = randomContent(300_000);
    const name = "Größe/100% sure?#.tar";
    const object = await store.put(name, content);
    expect(object).toMatchObject({ name, size: 300_000, sha256: content.sha256 });
    expect(Math.abs(object.createtime - Date.now() / 1000)).toBeLessThan(60);
    expect(await store.stat(name)).toEqual(object);
    expect((await readAll(store.get(name))).equals(content.bytes)).toBe(true);
    const part = await readAll(store.get(name, { start: 100, end: 200_000 }));
    expect(part.equals(content.bytes.subarray(100, 200_000))).toBe(true);
    expect(await namesIn(store)).toContain(name);
    expect(await store.stat("missing")).toBeUndefined();
    expect((await failureOf(readAll(store.get("missing")))).code).toBe("not-found");
    expect((await failureOf(readAll(store.get(name, { end: 300_001 })))).code).toBe("damaged");
    await expect(store.put("session/x", content)).rejects.toMatchObject({ code: "usage" });
  });

  test("reports every byte that moves, and takes back what a retry sends again", async () => {
    const { store } = await openCut((connection) =>
      connection === 0 ? { afterUp: 100_000 } : undefined,
    );
    let moved = 0;
    let tookBack = false;
    const onBytes = (bytes: number) => {
      moved += bytes;
      tookBack ||= bytes < 0;
    };
    await store.put(newName(), randomContent(3_000_000), { onBytes });
    expect(moved).toBe(3_000_000);
    expect(tookBack).toBe(true);
  });

  test("a put whose answer is swallowed is success, and is sent once", async () => {
    const { store, proxy } = await openCut((connection) =>
      connection === 0 ? { swallowAnswer: true } : undefined,
    );
    const content = randomContent(200_000);
    const object = await store.put(newName(), content);
    expect(object.sha256).toBe(content.sha256);
    expect(content.opened).toBe(1);
    expect(proxy.counts.cut).toBe(1);
  });

  test("a name taken by other content is name-taken, also when the answer is swallowed", async () => {
    const name = newName();
    await (await open(server.accessUrl)).put(name, contentOf("first"));
    for (const swallowAnswer of [false, true]) {
      const { store } = await openCut((connection) =>
        connection === 0 ? { swallowAnswer } : undefined,
      );
      expect((await failureOf(store.put(name, contentOf("other")))).code).toBe("name-taken");
      expect((await store.put(name, contentOf("first"))).size).toBe(5);
    }
    expect((await readAll((await open(server.accessUrl)).get(name))).toString()).toBe("first");
  });

  test("downloads cut at random points arrive complete", async () => {
    const name = newName();
    const content = randomContent(2_000_000);
    await (await open(server.accessUrl)).put(name, content);
    for (let round = 0; round < 15; round += 1) {
      const { store, proxy } = await openCut((connection) =>
        connection < 4
          ? { afterDown: randomInt(1, 900_000), how: connection % 2 === 0 ? "reset" : "close" }
          : undefined,
      );
      const start = round % 2 === 0 ? 0 : randomInt(1000);
      let moved = 0;
      const got = await readAll(store.get(name, { start, onBytes: (bytes) => (moved += bytes) }));
      expect(got.equals(content.bytes.subarray(start))).toBe(true);
      expect(moved).toBe(content.size - start);
      expect(proxy.counts.cut).toBeGreaterThan(0);
    }
  });

  test("uploads cut at random points end stored", async () => {
    for (let round = 0; round < 15; round += 1) {
      const { store } = await openCut((connection) =>
        connection < 3
          ? { afterUp: randomInt(1, 700_000), how: connection % 2 === 0 ? "reset" : "close" }
          : undefined,
      );
      const name = newName();
      const content = randomContent(600_000);
      await store.put(name, content);
      expect((await readAll(store.get(name))).equals(content.bytes)).toBe(true);
    }
  });

  test("a listing that is cut is completed, each entry given once", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `listed/${"x".repeat(100)}-${index}`);
    const direct = await open(server.accessUrl);
    for (const name of names) await direct.put(name, contentOf(name));
    const { store } = await openCut((connection) =>
      connection < 3 ? { afterDown: 20_000 } : undefined,
    );
    const listed = (await namesIn(store)).filter((name) => name.startsWith("listed/"));
    expect(listed).toEqual(names.sort());
  });

  test("Retry-After of a 429 is waited for", async () => {
    const times: number[] = [];
    const { store } = await openScripted((_, res, count) => {
      times.push(performance.now());
      if (count <= 1) res.writeHead(429, { "retry-after": "1" }).end("slow down");
      else res.end("[]");
    });
    expect(await namesIn(store)).toEqual([]);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
  });

  test.each([408, 429, 500, 502, 503, 504, 507])(
    "%i is tried 5 times more, then unreachable",
    async (status) => {
      const { store, requests } = await openScripted((_, res) => res.writeHead(status).end("busy"));
      const error = await failureOf(store.stat("a"));
      expect(error.code).toBe("store-unreachable");
      expect(requests).toHaveLength(6);
    },
  );

  test.each([400, 403, 404, 409, 410, 411, 413])(
    "%i on a put is final, in the server's words",
    async (status) => {
      const { store, requests } = await openScripted((_, res) => {
        res.writeHead(status).end("Computer\u0007 says no.\n");
      });
      const error = await failureOf(store.put("a", contentOf("x")));
      expect(error.code).toBe("store-refused");
      expect(error.message).toContain("(Computer\\x07 says no)");
      expect(requests).toEqual(["PUT /a"]);
    },
  );

  test("401 points at the access url", async () => {
    const store = await open(server.accessUrl.replace("@", "x@"));
    const error = await failureOf(store.put("a", randomContent(5_000_000)));
    expect(error.code).toBe("store-refused");
    expect(error.hint).toContain("access url");
  });

  test("a store nobody answers for is unreachable, after 5 retries", async () => {
    const { store, requests } = await openScripted((req) => req.socket.destroy());
    expect((await failureOf(store.stat("a"))).code).toBe("store-unreachable");
    expect(requests).toHaveLength(6);
  });

  test("a 201 is not believed: what the server then has must be what was sent", async () => {
    const { store } = await openScripted((req, res) => {
      if (req.method === "PUT") res.writeHead(201).end("Stored /a");
      else
        res
          .writeHead(200, {
            "content-length": "1",
            "last-modified": "Fri, 21 May 2010 11:00:03 GMT",
          })
          .end("y");
    });
    expect((await failureOf(store.put("a", contentOf("x")))).code).toBe("name-taken");
    const { store: forgetful } = await openScripted((req, res) => {
      res.writeHead(req.method === "PUT" ? 201 : 404).end("");
    });
    expect((await failureOf(forgetful.put("a", contentOf("x")))).code).toBe("store-refused");
  });

  test("a server that gives no digest is read back, and one that gives no time is asked to list", async () => {
    const { store, requests } = await openScripted((req, res) => {
      if (req.method === "PUT") res.writeHead(201).end("Stored /a");
      else if (req.url === "/") res.end('[{"name":"/a","size":5,"createtime":1274439603}]');
      else res.writeHead(200, { "content-length": "5" }).end("hello");
    });
    const object = await store.put("a", contentOf("hello"));
    expect(object).toMatchObject({
      size: 5,
      createtime: 1_274_439_603,
      sha256: contentOf("hello").sha256,
    });
    expect(requests).toEqual(["PUT /a", "HEAD /a", "GET /", "GET /a"]);
  });

  test("a cut download from a server without ranges is still completed", async () => {
    const bytes = randomContent(500_000).bytes;
    const { store, requests } = await openScripted((_, res, count) => {
      res.writeHead(200, { "content-length": bytes.length });
      if (count === 1)
        res.write(bytes.subarray(0, 200_000), () => setTimeout(() => res.destroy(), 20));
      else res.end(bytes);
    });
    expect((await readAll(store.get("a"))).equals(bytes)).toBe(true);
    expect(requests).toHaveLength(2);
    expect(store.ranges).toBe(true);
  });

  test("of a server without ranges, parts come from the whole, which is fetched once", async () => {
    const bytes = randomContent(2_000_000).bytes;
    const { store, requests } = await openScripted((_, res, count) => {
      res.writeHead(200, { "content-length": bytes.length, etag: '"x"' });
      // The first time that it is fetched whole, the connection is cut.
      if (count === 2) res.write(bytes.subarray(0, 900_000), () => res.destroy());
      else res.end(bytes);
    });
    for (const [start, end] of [
      [5, 10],
      [0, 1],
      [1_000_000, undefined],
      [1_999_999, 2_000_000],
    ] as const) {
      const part = await readAll(store.get("a", { start, ...(end === undefined ? {} : { end }) }));
      expect(part.equals(bytes.subarray(start, end))).toBe(true);
    }
    expect(store.ranges).toBe(false);
    expect(requests).toEqual(["GET /a", "GET /a", "GET /a"]);
    expect((await failureOf(readAll(store.get("a", { start: 5, end: 2_000_001 })))).code).toBe(
      "damaged",
    );
  });

  test("a part that is the whole is taken from a server without ranges as it comes", async () => {
    const bytes = randomContent(500_000).bytes;
    const { store, requests } = await openScripted((_, res, count) => {
      res.writeHead(200, { "content-length": bytes.length });
      if (count === 1) res.write(bytes.subarray(0, 200_000), () => res.destroy());
      else res.end(bytes);
    });
    const whole = await readAll(store.get("a", { start: 0, end: bytes.length }));
    expect(whole.equals(bytes)).toBe(true);
    expect(requests).toHaveLength(2);
    expect(store.ranges).toBe(true);
  });

  test("a server without ranges is told of once, and few of its objects are kept", async () => {
    const bytes = Buffer.from("0123456789");
    const { store: scripted, requests } = await openScripted((_, res) => res.end(bytes));
    const notices: string[] = [];
    const port = new URL(scripted.description).port;
    const store = await openStore(`http://someuser:s3cretPassw0rd@127.0.0.1:${port}/`, {
      onWhole: (notice) => notices.push(notice),
    });
    cleanUps.push(() => store.close());
    const readers = [];
    for (const name of ["a", "b", "c", "d", "e"]) {
      const reader = store.get(name, { start: 2, end: 10 })[Symbol.asyncIterator]();
      readers.push([name, reader, await reader.next()] as const);
    }
    expect(notices).toHaveLength(1);
    expect(notices[0]).not.toContain("s3cret");
    const before = requests.length;
    for (const [, reader, first] of readers) {
      expect(Buffer.from(first.value as Uint8Array).toString()).toBe("23456789");
      expect((await reader.next()).done).toBe(true);
    }
    for (const [name, again] of [
      ["e", 0],
      ["a", 1],
    ] as const) {
      expect((await readAll(store.get(name, { start: 9, end: 10 }))).toString()).toBe("9");
      expect(requests.length - before).toBe(again);
    }
  });

  test("an object that changes while it is read is no download", async () => {
    const { store } = await openScripted((_, res, count) => {
      res.writeHead(200, { "content-length": 100_000, etag: `"${count}"` });
      if (count === 1) res.write(Buffer.alloc(50_000), () => setTimeout(() => res.destroy(), 20));
      else res.end(Buffer.alloc(100_000));
    });
    expect((await failureOf(readAll(store.get("a")))).code).toBe("damaged");
  });

  test("content that cannot be read, or is shorter than it said, is not the store's fault", async () => {
    const store = await open(server.accessUrl);
    const name = newName();
    const content = contentOf("hello");
    const unreadable = {
      ...content,
      open: () => {
        throw new Error("disk gone");
      },
    };
    expect((await failureOf(store.put(name, unreadable))).code).toBe("io");
    expect((await failureOf(store.put(name, { ...content, size: 6 }))).code).toBe("io");
    expect(await store.stat(name)).toBeUndefined();
  });

  test("stops when told to", async () => {
    const { store } = await openScripted(() => {});
    const error = await failureOf(
      store.put("a", contentOf("x"), { signal: AbortSignal.timeout(50) }),
    );
    expect(error.code).toBe("aborted");
  });

  test("uses the proxy of the environment it is given, unless NO_PROXY names the host", async () => {
    const tunnels: string[] = [];
    const secure = await startServer({ tls: true });
    cleanUps.push(() => secure.close());
    const proxy = createServer();
    proxy.on("connect", (req, socket) => {
      tunnels.push(`${req.url} ${req.headers["proxy-authorization"]}`);
      const upstream = connect(secure.port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    cleanUps.push(async () => proxy.close());
    const { port } = proxy.address() as AddressInfo;
    const basic = Buffer.from("me:pr0xyPass").toString("base64");
    // In a process of its own: NODE_EXTRA_CA_CERTS is read when Node starts.
    const list = async (env: Record<string, string>) => {
      const script = `
        const { openStore } = await import(${JSON.stringify(new URL("../../src/stores/open.ts", import.meta.url).href)});
        const store = await openStore(process.env.STORE, { env: ${JSON.stringify(env)}, retry: { retries: 0, firstDelay: 1 } });
        for await (const entry of store.list()) console.log(entry.name);
        console.log("listed");
        await store.close();`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "-e", script],
        {
          env: { STORE: secure.accessUrl, NODE_EXTRA_CA_CERTS: secure.caFile! },
        },
      );
      return stdout;
    };
    expect(await list({ HTTPS_PROXY: `http://me:pr0xyPass@127.0.0.1:${port}` })).toBe("listed\n");
    expect(tunnels).toEqual([`127.0.0.1:${secure.port} Basic ${basic}`]);
    expect(await list({ https_proxy: `127.0.0.1:${port}` })).toBe("listed\n");
    expect(tunnels).toHaveLength(2);
    expect(await list({ HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: "127.0.0.1" })).toBe(
      "listed\n",
    );
    expect(await list({ HTTP_PROXY: `http://127.0.0.1:${port}` })).toBe("listed\n");
    expect(tunnels).toHaveLength(2);
  });

  test("a certificate nobody vouches for is refused at once, with the way out", async () => {
    const secure = await startServer({ tls: true });
    cleanUps.push(() => secure.close());
    const store = await openStore(secure.accessUrl, { retry: { retries: 5, firstDelay: 60_000 } });
    cleanUps.push(() => store.close());
    const error = await failureOf(store.stat("a"));
    expect(error.code).toBe("store-unreachable");
    expect(error.hint).toContain("NODE_EXTRA_CA_CERTS");
  });

  test("no failure names the password, whatever the server says", async () => {
    const password = "s3cretPassw0rd";
    const basic = Buffer.from(`someuser:${password}`).toString("base64");
    const echo = `You sent someuser:${password} as Basic ${basic}`;
    const answers: Handler[] = [
      (_, res) => res.writeHead(400).end(echo),
      (_, res) => res.writeHead(500, echo).end(echo),
      (_, res) =>
        res
          .writeHead(403, { "content-type": "application/problem+json" })
          .end(JSON.stringify({ detail: echo })),
      (_, res) => res.writeHead(200, { "content-range": echo, "content-length": "1" }).end("x"),
      (_, res) => res.writeHead(206, { "content-range": echo }).end(echo),
      (req) => req.socket.end(`HTTP/1.1 ${echo}\r\n\r\n`),
      (req) => req.socket.end(echo),
      (_, res) => res.writeHead(302, { location: `https://${echo}/` }).end(echo),
      (req) => req.socket.resetAndDestroy(),
    ];
    for (const answer of answers) {
      const { store } = await openScripted(answer);
      const failures = await Promise.all([
        store.put("a", contentOf("x")).catch((error: unknown) => error),
        store.stat("a").catch((error: unknown) => error),
        readAll(store.get("a", { start: 1, end: 3 })).catch((error: unknown) => error),
        namesIn(store).catch((error: unknown) => error),
      ]);
      for (const failure of failures.filter((outcome) => outcome instanceof Error)) {
        // Every layer of it, as a log or an unhandled error would show it.
        const shown = inspect(failure, { depth: 10, showHidden: true });
        expect(shown).not.toContain(password);
        expect(shown).not.toContain(basic);
        expect(failure).toMatchObject({ name: "RestbackupError" });
      }
      expect(failures.some((outcome) => outcome instanceof Error)).toBe(true);
    }
    const { store } = await openScripted(() => {});
    expect(inspect(store, { depth: 10 })).not.toContain(password);
    const error = await failureOf(
      openStore("https://a:b@host/", { env: { HTTPS_PROXY: `http://me:${password}@bad host:1` } }),
    );
    expect(inspect(error, { depth: 10 })).not.toContain(password);
    expect(error.code).toBe("usage");
  });

  test("a connection that goes silent is given up and tried again", async () => {
    const silent = createTcpServer((socket) => socket.on("error", () => {}).resume());
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    cleanUps.push(async () => silent.close());
    const store = new BackupApiStore(
      `http://u:p@127.0.0.1:${(silent.address() as AddressInfo).port}/`,
      {
        retry: { retries: 1, firstDelay: 1 },
        timeouts: { answer: 100, stored: 100, idle: 100 },
      },
    );
    cleanUps.push(() => store.close());
    expect((await failureOf(store.stat("a"))).code).toBe("store-unreachable");
    expect((await failureOf(store.put("a", contentOf("x")))).code).toBe("store-unreachable");
  });
});
