import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { temporaryFolder } from "../support/server.ts";
import { type Nginx, startNginx } from "./support/nginx.ts";
import { basic, type OperatedServer, operate } from "./support/operated.ts";

const run = promisify(execFile);
const promise = "the server works behind nginx as contrib/nginx.conf sets it up";
const programs = ["nginx", "curl"].every((name) => requireProgram(name, promise));

describe.runIf(programs)("behind nginx", () => {
  const folder = temporaryFolder("proxy");
  const big = join(folder, "big");
  let server: OperatedServer;
  let nginx: Nginx;

  beforeAll(async () => {
    server = await operate({ behindTlsProxy: true });
    nginx = await startNginx(server.port);
    const piece = randomBytes(2 ** 20);
    writeFileSync(big, Buffer.concat(Array.from({ length: 100 }, () => piece)));
  });
  afterAll(async () => {
    await nginx?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
  });

  const urlOf = (path: string) => `https://localhost:${nginx.httpsPort}${path}`;

  /** curl's exit code, what it printed, and with `-v` what went over the wire. */
  async function curl(path: string, ...args: string[]) {
    const credentials = ["-u", `${server.username}:${server.password}`];
    const common = ["-sS", "--cacert", nginx.caFile, "-4"];
    const target = path.startsWith("/") ? urlOf(path) : path;
    return await run("curl", [...common, ...credentials, ...args, target]);
  }
  const status = async (path: string, ...args: string[]) =>
    (await curl(path, "-o", "/dev/null", "-w", "%{http_code}", ...args)).stdout;

  const uploading = () => {
    const meta = join(server.dataDir, "archives", server.username, ".restbackup", "tmp");
    return readdirSync(meta).map((name) => statSync(join(meta, name)).size);
  };

  /** An upload of which the header and some bytes are sent. */
  function begin(path: string, length: number, first: Buffer) {
    const req = request(urlOf(path), {
      ...{ method: "PUT", host: "127.0.0.1", servername: "localhost", agent: false },
      rejectUnauthorized: false,
      headers: { authorization: basic(server), "content-length": length },
    });
    req.on("error", () => {});
    if (first.length > 0) req.write(first);
    else req.flushHeaders();
    return req;
  }

  test("100 MB go up and come down as they are, and touch no disk of nginx's", async () => {
    expect((await curl("/big", "-T", big)).stdout).toBe("Stored /big\n");
    const down = join(folder, "down");
    await curl("/big", "-o", down);
    expect(await sha256(down)).toBe(await sha256(big));
    // It would say: "is buffered to a temporary file".
    expect(nginx.errorLog()).not.toContain("buffered");
  });

  test("an upload reaches the server while it is still being sent", async () => {
    const half = randomBytes(2_000_000);
    const req = begin("/streamed", 4_000_000, half);
    await expect.poll(() => Math.max(0, ...uploading())).toBeGreaterThan(1_000_000);
    req.end(half);
    const [res] = await once(req, "response");
    expect(res.statusCode).toBe(201);
    res.resume();
  });

  test("a client that goes away leaves nothing, and the name stays free", async () => {
    const req = begin("/left", 4_000_000, randomBytes(2_000_000));
    await expect.poll(() => Math.max(0, ...uploading())).toBeGreaterThan(0);
    req.destroy();
    await expect.poll(uploading).toEqual([]);
    expect(await status("/left")).toBe("404");
  });

  test("a client that waits to be told to go on is told", async () => {
    const small = join(folder, "small");
    writeFileSync(small, "x".repeat(3000));
    const expecting = ["-v", "-H", "Expect: 100-continue", "--expect100-timeout", "30"];
    const { stdout, stderr } = await curl("/expected", ...expecting, "-T", small);
    expect(stdout).toBe("Stored /expected\n");
    expect(stderr).toMatch(/< HTTP\/1\.1 100 /);
    expect(stderr).toMatch(/< HTTP\/1\.1 201 /);
  });

  test("a refused upload of 100 MB is answered in the server's words, each time", async () => {
    await status("/taken", "-T", join(folder, "small"));
    for (let index = 0; index < 5; index += 1) {
      const { stdout, stderr } = await curl("/taken", "-v", "-T", big);
      expect(stderr).toMatch(/< HTTP\/1\.1 405 /);
      expect(stderr).toMatch(/< Allow: GET, HEAD/);
      expect(stdout).toMatch(/^\S.+\n$/);
      expect(stdout).not.toContain("nginx");
    }
    expect(await status("/new", "-T", big, "-u", "nobody:wrong")).toBe("401");
    expect(await status("/new")).toBe("404");
  });

  test("what is too big is refused before it is sent", async () => {
    const req = begin("/huge", 5_368_709_121, Buffer.alloc(0));
    const [res] = await once(req, "response");
    expect(res.statusCode).toBe(413);
    const [text] = await once(res, "data");
    expect(String(text)).not.toContain("nginx");
    req.destroy();
  });

  test("ranges, conditions, HEAD and digests pass", async () => {
    writeFileSync(join(folder, "digits"), "0123456789");
    await curl("/digits", "-T", join(folder, "digits"));
    const range = await curl("/digits", "-i", "-r", "3-5");
    expect(range.stdout).toMatch(/^HTTP\/1\.1 206 [\s\S]*Content-Range: bytes 3-5\/10\r\n/);
    expect(range.stdout).toMatch(/\r\n\r\n345$/);
    const head = (await curl("/digits", "-I")).stdout;
    expect(head).toMatch(/^HTTP\/1\.1 200 [\s\S]*Content-Length: 10\r\n/);
    expect(head).toMatch(/Repr-Digest: sha-256=:.+:\r\n/);
    const etag = /^ETag: (.+)\r$/m.exec(head)![1]!;
    expect(await status("/digits", "-H", `If-None-Match: ${etag}`)).toBe("304");
    expect(await status("/digits", "-r", "3-5", "-H", `If-Range: ${etag}`)).toBe("206");
    expect(await status("/digits", "-r", "99-")).toBe("416");
  });

  test("names arrive as they were spelled", async () => {
    const spelled = "/a%20b/%C3%BC+%25%3F%23";
    await curl(spelled, "-T", join(folder, "digits"));
    expect((await curl(spelled)).stdout).toBe("0123456789");
    const names = (JSON.parse((await curl("/")).stdout) as { name: string }[]).map(
      ({ name }) => name,
    );
    expect(names).toContain("/a b/ü+%?#");
    // For nginx this would be the same as /digits.
    expect(await status("/x/../digits", "--path-as-is")).toBe("400");
    expect(await status("//digits", "--path-as-is")).toBe("400");
  });

  test("a session's link begins as the client began, works, and is in no log of nginx's", async () => {
    const make = ["-X", "POST", "-H", "X-HTTP-Method-Override: MAKESESSION"];
    const made = (await curl("/", "-i", ...make)).stdout;
    const location = /^Location: (.+)\r$/m.exec(made)![1]!;
    expect(location).toMatch(new RegExp(`^${urlOf("/session/")}\\S+/$`));
    const token = new URL(location).pathname.split("/")[2]!;
    const open = ["-u", ":", "-H", "Authorization:"];
    expect((await curl(`${location}digits`, ...open)).stdout).toBe("0123456789");
    for (const way of ["/%73ession/", "//session/", "/x/../session/"]) {
      await curl(location.replace("/session/", way), ...open, "--path-as-is");
    }
    await status("/digits", "-H", "User-Agent: logged");
    expect(nginx.accessLog()).toContain("logged");
    expect(nginx.accessLog() + nginx.errorLog()).not.toContain(token);
  });

  test("the client's address is the one that nginx saw, whatever the client says", async () => {
    const before = server.events.length;
    const forged = ["-H", "X-Forwarded-For: 192.0.2.7", "--interface", "127.0.0.2"];
    expect(await status("/digits", ...forged)).toBe("200");
    await expect.poll(() => server.events.length).toBeGreaterThan(before);
    expect(server.events.at(-1)).toMatchObject({ remoteAddress: "127.0.0.2", status: 200 });
  });

  test("plain HTTP leads browsers on, refuses passwords, and lets certbot prove itself", async () => {
    const plain = (path: string) => `http://localhost:${nginx.httpPort}${path}`;
    const open = ["-u", ":", "-H", "Authorization:"];
    expect((await curl(plain("/x"), "-i", ...open)).stdout).toMatch(
      /^HTTP\/1\.1 301 [\s\S]*Location: https:\/\/localhost\/x\r\n/,
    );
    expect((await curl(plain("/x"))).stdout).toMatch(/use https/);
    mkdirSync(join(nginx.webRoot, ".well-known", "acme-challenge"), { recursive: true });
    writeFileSync(join(nginx.webRoot, ".well-known", "acme-challenge", "it"), "proof");
    expect((await curl(plain("/.well-known/acme-challenge/it"), ...open)).stdout).toBe("proof");
  });

  test("while the server is away clients get a 502, which they try again, and no log a link", async () => {
    const alone = await operate({ behindTlsProxy: true });
    const front = await startNginx(alone.port);
    await alone.close();
    const ask = async (path: string, ...args: string[]) => {
      const url = `https://localhost:${front.httpsPort}${path}`;
      const common = [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-4",
        "--cacert",
        front.caFile,
      ];
      return (await run("curl", [...common, ...args, url])).stdout;
    };
    expect(await ask("/up", "-T", big)).toBe("502");
    for (const way of ["/session/", "/%73ession/", "//session/"]) {
      expect(await ask(`${way}tokenOfASession/x`, "--path-as-is")).toBe("502");
    }
    expect(front.errorLog()).toContain("/up");
    expect(front.errorLog() + front.accessLog()).not.toContain("tokenOfASession");
    await front.close();
  });
});

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}
