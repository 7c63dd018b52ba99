import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import {
  DEFAULT_LOGIN_LIMITS,
  LoginLimiter,
  type LoginLimits,
} from "../../src/server/rate-limit.ts";
import { Refusal } from "../../src/server/refusal.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { send } from "./support/client.ts";
import { seededBytes } from "./support/seeded.ts";

/** A limiter with a clock that goes when it is told to, and accounts whose password is "right". */
function limiterAt(limits: Partial<LoginLimits> = {}) {
  let now = 1_000_000;
  const limiter = new LoginLimiter({ ...DEFAULT_LOGIN_LIMITS, ...limits }, () => now);
  /** How an attempt ends: "in", "wrong", or the status and wait of a refusal. */
  const attempt = async (address: string, username: string, password: string): Promise<string> => {
    try {
      const account = await limiter.attempt(address, username, async (guess) => {
        guess();
        await Promise.resolve();
        return password === "right" ? {} : undefined;
      });
      return account === undefined ? "wrong" : "in";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return `${error.status} ${error.headers["Retry-After"]}`;
    }
  };
  const pass = (seconds: number) => {
    now += seconds * 1000;
  };
  return { attempt, pass };
}

describe("guessing", () => {
  test("from one address has to wait after ten, twice as long with each more", async () => {
    const { attempt, pass } = limiterAt({ forgetAfter: 1e12 });
    for (let index = 0; index < 10; index += 1) {
      expect(await attempt("a", `user${index}`, "no")).toBe("wrong");
    }
    const waits: number[] = [];
    for (let index = 0; index < 14; index += 1) {
      const [status, wait] = (await attempt("a", "other", "no")).split(" ");
      expect(status).toBe("429");
      waits.push(Number(wait));
      pass(Number(wait) - 0.001);
      expect(await attempt("a", "other", "no")).toBe("429 1");
      pass(0.001);
      expect(await attempt("a", "other", "no")).toBe("wrong");
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
  });

  test("from an address that has to wait learns nothing, not even when it is right", async () => {
    const { attempt } = limiterAt();
    for (let index = 0; index < 10; index += 1) await attempt("a", "user", "no");
    expect(await attempt("a", "user", "right")).toBe("429 1");
    expect(await attempt("b", "user", "right")).toBe("in");
  });

  test("many at once is counted before it is known how they end", async () => {
    const { attempt } = limiterAt();
    const ends = await Promise.all(
      Array.from({ length: 200 }, (_, index) => attempt("a", "user", `no ${index}`)),
    );
    expect(ends.filter((end) => end === "wrong")).toHaveLength(10);
  });

  test("at an account from many addresses leaves one guess to each", async () => {
    const { attempt } = limiterAt();
    for (let index = 0; index < 10; index += 1) await attempt(`early ${index}`, "user", "no");
    let guesses = 0;
    for (let index = 0; index < 500; index += 1) {
      if ((await attempt(`late ${index % 50}`, "user", "no")) === "wrong") guesses += 1;
    }
    expect(guesses).toBe(50);
  });

  test("lets the owner in from anywhere, meanwhile and afterwards, as often as they like", async () => {
    const { attempt, pass } = limiterAt();
    expect(await attempt("home", "user", "right")).toBe("in");
    for (let index = 0; index < 2000; index += 1) {
      await attempt(`bot ${index % 300}`, "user", "no");
      if (index % 10 === 0) pass(1);
      expect(await attempt("home", "user", "right")).toBe("in");
      if (index % 100 === 0) expect(await attempt(`trip ${index}`, "user", "right")).toBe("in");
    }
  });

  test("behind the address of an owner does not keep the owner out, and is slowed too", async () => {
    const { attempt } = limiterAt();
    expect(await attempt("office", "owner", "right")).toBe("in");
    for (let index = 0; index < 50; index += 1) await attempt("office", "victim", "no");
    expect(await attempt("office", "victim", "no")).toMatch(/^429 /);
    expect(await attempt("office", "owner", "right")).toBe("in");
    // Where the owner's own password is guessed at from the owner's address, both have to wait.
    for (let index = 0; index < 10; index += 1) await attempt("office", "owner", "no");
    expect(await attempt("office", "owner", "no")).toBe("429 1");
    expect(await attempt("home", "owner", "right")).toBe("in");
  });

  test("is not made up for by a right password of one's own", async () => {
    const { attempt } = limiterAt();
    for (let index = 0; index < 10; index += 1) {
      await attempt("a", "victim", "no");
      await attempt("a", "mine", "right");
    }
    expect(await attempt("a", "victim", "no")).toBe("429 1");
  });

  test("is forgotten, one wrong password a minute", async () => {
    const { attempt, pass } = limiterAt();
    for (let index = 0; index < 10; index += 1) await attempt("a", "user", "no");
    pass(60 * 3 + 1);
    const ends = [];
    for (let index = 0; index < 4; index += 1) ends.push(await attempt("a", "user", "no"));
    expect(ends).toEqual(["wrong", "wrong", "wrong", "429 1"]);
    pass(3600);
    expect(await attempt("a", "user", "no")).toBe("wrong");
  });

  test("with a million names and addresses does not fill the memory", async () => {
    const { attempt } = limiterAt({ remembered: 100 });
    const long = "n".repeat(10_000);
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 20_000; index += 1) {
      await attempt(`address ${index}`, `${long}${index}`, "no");
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000);
  });
});

describe("a first login of many clients at once", () => {
  test("is put off with 503, which old clients try again, and not counted as guessing", async () => {
    const { attempt } = limiterAt();
    const ends = await Promise.all(
      Array.from({ length: 30 }, (_, index) => attempt("office", `user${index}`, "right")),
    );
    expect(new Set(ends)).toEqual(new Set(["in", "503 1"]));
    expect(await attempt("office", "user29", "right")).toBe("in");
  });
});

describe("over HTTP", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      behindTlsProxy: true,
      limits: { logins: { ...DEFAULT_LOGIN_LIMITS, burst: 3, firstWait: 60_000 } },
    });
  });
  afterAll(() => server.close());

  const from = (address: string, password = server.password, username = server.username) =>
    send(server, "GET", "/", {
      auth: `${username}:${password}`,
      headers: { "x-forwarded-for": address },
    });

  test("429 says when to come again; the address is what the proxy saw", async () => {
    for (let index = 0; index < 3; index += 1) {
      // What the client itself put into the field changes each time.
      expect((await from(`10.9.9.${index}, 192.0.2.1`, `no${index}`)).status).toBe(401);
    }
    const refused = await from("203.0.113.9, 192.0.2.1", "no");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(50);
    expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(60);
    expect(refused.body.toString()).toMatch(/^.+\n$/);
    // The right one is refused there too, also when it is remembered from elsewhere.
    expect((await from("192.0.2.2")).status).toBe(200);
    expect((await from("192.0.2.1")).status).toBe(429);
    expect((await from("192.0.2.2")).status).toBe(200);
    expect((await from("192.0.2.3")).status).toBe(200);
  });

  test("an IPv6 subscriber is one address", async () => {
    for (let index = 0; index < 3; index += 1) {
      expect((await from(`2001:db8:0:1::${index}`, `no ${index}`, "six")).status).toBe(401);
    }
    expect((await from("2001:DB8::1:aaaa:bbbb:cccc:dddd", "no", "six")).status).toBe(429);
    expect((await from("2001:db8:0:2::1")).status).toBe(200);
  });

  test("a username that does not exist is answered as one that does", async () => {
    const answers = async (username: string, address: string) => {
      const list = [];
      for (let index = 0; index < 4; index += 1) {
        const { status, headers, body } = await from(address, `no ${username} ${index}`, username);
        list.push([status, headers["retry-after"], body.toString()]);
      }
      return list;
    };
    const { username } = await createAccount(server.dataDir, { retentionDays: 30 });
    const unknown = await answers("Nobody123456", "192.0.2.50");
    expect(unknown.map(([status]) => status)).toEqual([401, 401, 401, 429]);
    expect(await answers(username, "192.0.2.51")).toEqual(unknown);
  });

  test("asking without credentials, as browsers do first, is never counted", async () => {
    for (let index = 0; index < 20; index += 1) {
      const reply = await send(server, "GET", "/", {
        headers: { "x-forwarded-for": "192.0.2.60", authorization: "Basic !" },
      });
      expect(reply.status).toBe(401);
    }
    expect((await from("192.0.2.60")).status).toBe(200);
  });

  test("without a proxy nobody's word on the address is taken", async () => {
    const alone = await startServer({
      limits: { logins: { ...DEFAULT_LOGIN_LIMITS, burst: 3, firstWait: 60_000 } },
    });
    try {
      const statuses = [];
      for (let index = 0; index < 4; index += 1) {
        const headers = { "x-forwarded-for": `192.0.2.${index}` };
        statuses.push((await send(alone, "GET", "/", { auth: `x:${index}`, headers })).status);
      }
      expect(statuses).toEqual([401, 401, 401, 429]);
    } finally {
      await alone.close();
    }
  });

  test("a flood of logins does not keep uploads of those who are logged in waiting", async () => {
    const flooded = await startServer({ behindTlsProxy: true });
    let flooding = true;
    const statuses = new Map<number, number>();
    const flood = async (bot: number) => {
      for (let index = 0; flooding; index += 1) {
        const headers = { "x-forwarded-for": `10.${bot}.${index >> 8}.${index & 255}` };
        const auth = `${index % 2 === 0 ? flooded.username : "nobody"}:${bot} ${index}`;
        const { status } = await send(flooded, "GET", "/", { auth, headers });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    try {
      const body = seededBytes("flood", 3_000_000);
      const upload = async (name: string) => {
        const began = performance.now();
        expect((await send(flooded, "PUT", name, { body })).status).toBe(201);
        return performance.now() - began;
      };
      await upload("/first");
      const bots = Array.from({ length: 24 }, (_, bot) => flood(bot));
      const times: number[] = [];
      for (let index = 0; index < 3; index += 1) times.push(await upload(`/during-${index}`));
      flooding = false;
      await Promise.all(bots);
      expect(Math.max(...times)).toBeLessThan(10_000);
      // It was a flood: more came than could be computed.
      expect(statuses.get(401)).toBeGreaterThan(0);
      expect(statuses.get(503)).toBeGreaterThan(20);
    } finally {
      flooding = false;
      await flooded.close();
    }
  });
});
