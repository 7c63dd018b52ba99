import { spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { checkKeyPair } from "../../src/server/tls.ts";
import { outcomeOf, World } from "../cli/world.ts";
import { temporaryFolder } from "../support/server.ts";
import { makeCertificate, type TestCertificate } from "./support/certificates.ts";
import { basic, type OperatedServer, operate } from "./support/operated.ts";

const folder = temporaryFolder("tls");
const world = new World();
afterAll(() => {
  rmSync(folder, { recursive: true });
  world.remove();
});

const LOOK_EVERY = 40;
const first = makeCertificate(join(folder, "first"));
const second = makeCertificate(join(folder, "second"));
let made = 0;

/** Files that hold the first pair, to be changed. */
function installed(): TestCertificate {
  made += 1;
  const certFile = join(folder, `cert-${made}.pem`);
  const keyFile = join(folder, `key-${made}.pem`);
  writeFileSync(certFile, first.cert);
  writeFileSync(keyFile, first.key);
  return { ...first, certFile, keyFile };
}

async function serving(files: TestCertificate): Promise<OperatedServer> {
  const server = await operate({
    tls: { certFile: files.certFile, keyFile: files.keyFile },
    lookForCertificateEvery: LOOK_EVERY,
  });
  onTestFinished(() => server.close());
  return server;
}

/** The certificate a new connection gets. */
async function served(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return raw.toString("base64");
}

const inPem = (cert: string) => cert.replaceAll(/-----[^-]+-----|\s/g, "");

describe("a certificate that is renewed", () => {
  test("by moving links, as certbot does, is taken, and no connection is dropped", async () => {
    const live = join(folder, "live");
    symlinkSync(join(folder, "first"), live);
    const files = { certFile: join(live, "fullchain.pem"), keyFile: join(live, "privkey.pem") };
    const server = await serving({ ...first, ...files });
    expect(await served(server.port)).toBe(inPem(first.cert));

    // An upload is under way on a connection that was made before.
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: first.cert });
    const upload = request(`${server.url}renewed`, {
      ...{ method: "PUT", agent, headers: { "content-length": 8 }, servername: "localhost" },
      auth: `${server.username}:${server.password}`,
    });
    upload.write("half");
    await once(upload, "socket");

    const next = join(folder, "next");
    symlinkSync(join(folder, "second"), next);
    renameSync(next, live);
    await expect.poll(() => served(server.port)).toBe(inPem(second.cert));

    upload.end("half");
    const [stored] = await once(upload, "response");
    expect(stored.statusCode).toBe(201);
    const { socket } = stored;
    stored.resume();
    await once(stored, "end");
    const again = request(`${server.url}renewed`, {
      ...{ agent, servername: "localhost", auth: `${server.username}:${server.password}` },
    }).end();
    const [got] = await once(again, "response");
    expect(got.statusCode).toBe(200);
    expect(got.socket).toBe(socket);
    agent.destroy();
    expect(server.events.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("half written, or beside another's key, leaves the old one in use and is told once", async () => {
    const files = installed();
    const server = await serving(files);
    const problems = () => server.events.filter(({ level }) => level === "error");
    const steps = [
      ["a certificate cut short", () => writeFileSync(files.certFile, second.cert.slice(0, 300))],
      ["another's key", () => writeFileSync(files.certFile, second.cert)],
      ["a key cut short", () => writeFileSync(files.keyFile, second.key.slice(0, 100))],
      [
        "a chain cut short",
        () => {
          writeFileSync(files.keyFile, first.key);
          writeFileSync(files.certFile, `${first.cert}${second.cert.slice(0, 300)}`);
        },
      ],
      ["no file", () => rmSync(files.keyFile)],
    ] as const;
    for (const [index, [what, step]] of steps.entries()) {
      const before = problems().length;
      step();
      await expect.poll(() => problems().length).toBeGreaterThan(before);
      expect(await served(server.port)).toBe(inPem(first.cert));
      // Looked at several times more, and told no more.
      const told = problems().length;
      await new Promise((resolve) => setTimeout(resolve, 5 * LOOK_EVERY));
      expect([what, problems().length]).toEqual([what, told]);
      expect(told).toBeLessThanOrEqual(2 * (index + 1));
    }
    writeFileSync(files.keyFile, second.key);
    writeFileSync(files.certFile, second.cert);
    await expect.poll(() => served(server.port)).toBe(inPem(second.cert));
    expect(JSON.stringify(server.events)).not.toContain("PRIVATE KEY");
  });

  test("is read at once on SIGHUP, and the server goes on", async () => {
    const files = installed();
    const data = join(world.root, "data");
    const args = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
    const child = world.start([
      ...[...args, "--tls-cert", files.certFile, "--tls-key", files.keyFile],
    ]);
    const ended = outcomeOf(child);
    const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
    const port = Number(/:(\d+)\/$/.exec(line)![1]);
    expect(await served(port)).toBe(inPem(first.cert));
    writeFileSync(files.keyFile, second.key);
    writeFileSync(files.certFile, second.cert);
    child.kill("SIGHUP");
    // Sooner than it would be noticed otherwise.
    await expect.poll(() => served(port), { timeout: 8000 }).toBe(inPem(second.cert));
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
  });
});

describe("TLS", () => {
  test("is 1.2 or 1.3, whatever a client asks for", async () => {
    const server = await serving(installed());
    const offer = async (version: string) => {
      const child = spawn("openssl", [
        ...["s_client", "-connect", `127.0.0.1:${server.port}`, `-${version}`],
        ...["-cipher", "DEFAULT@SECLEVEL=0"],
      ]);
      child.stdin.end();
      return await outcomeOf(child);
    };
    for (const version of ["tls1", "tls1_1"]) {
      const { code, stdout, stderr } = await offer(version);
      expect([version, code]).toEqual([version, 1]);
      expect(stdout + stderr).toMatch(/alert protocol version|Cipher is \(NONE\)/);
    }
    for (const version of ["tls1_2", "tls1_3"]) {
      expect([version, (await offer(version)).code]).toEqual([version, 0]);
    }
  });

  test("handshakes of garbage, and plain HTTP, are cut and harm nobody", async () => {
    const server = await serving(installed());
    for (const text of [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003garbage",
      "\u0000".repeat(2000),
      "\u0016\u0003\u0001\u00ff\u00ff",
    ]) {
      const socket = connectPlain(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.end(Buffer.from(text, "latin1"));
      socket.resume();
      await once(socket, "close");
    }
    const socket: TLSSocket = connect({ port: server.port, ca: first.cert, host: "localhost" });
    socket.write(`HEAD / HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(server)}\r\n\r\n`);
    const [reply] = await once(socket, "data");
    expect(String(reply)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
    expect(server.events.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("does not start with what cannot be served, and says why", async () => {
    const files = { certFile: first.certFile, keyFile: second.keyFile };
    await expect(operate({ tls: files })).rejects.toMatchObject({ code: "usage" });
    const absent = { certFile: join(folder, "absent"), keyFile: first.keyFile };
    await expect(operate({ tls: absent })).rejects.toThrow(/no such file/);
    expect(() => checkKeyPair({ cert: first.cert, key: second.key })).toThrow(/not the cert/);
    const { expires } = checkKeyPair(first);
    expect(Math.abs(expires - Date.now() / 1000 - 2 * 86_400)).toBeLessThan(600);
  });
});
