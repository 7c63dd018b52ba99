import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";
import { seededBytes } from "./support/seeded.ts";

// Programs that behave as backup-api.md, part 2, says clients of 2010 to 2012 do. They are run as
// they are, over HTTP and HTTPS; nothing in them knows this server.
const CLIENTS = fileURLToPath(new URL("./old-clients/", import.meta.url));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a client to its end; with the server in this very process, it must not block. Its locale is one
 * that can name the files, whatever that of the tests is.
 */
async function run(file: string, args: readonly string[], env = {}, cwd = work): Promise<Ran> {
  return await new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, LC_ALL: "C.UTF-8", ...env } };
    execFile(file, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, stdout, stderr });
    });
  });
}

let work: string;
let http: TestServer;
let https: TestServer;
const serverOf = (scheme: string) => (scheme === "https" ? https : http);

beforeAll(async () => {
  work = temporaryFolder("old-clients");
  http = await startServer();
  https = await startServer({ tls: true });
});
afterAll(async () => {
  await http.close();
  await https.close();
  await rm(work, { recursive: true, force: true });
});

/** What a library's calls promise, whichever language it is for. */
function keepsItsPromises(
  language: string,
  client: (scheme: string, ...args: string[]) => Promise<Ran>,
): void {
  describe.each(["http", "https"])("over %s", (scheme) => {
    test("puts, finds, lists and gets, files empty and large, names with slashes and in UTF-8", async () => {
      for (const [index, name] of [
        "/data.20100523.tar.gz",
        "/machines/büro 1/über & 100%?#.tar",
        "/a/b/c/d/e",
      ].entries()) {
        const named = name.replace("/", `/${language}-${scheme}-${index}-`);
        const file = join(work, "file");
        writeFileSync(file, seededBytes(named, [5_000_000, 300_000, 0][index]!));
        expect(await client(scheme, "exists", named)).toMatchObject({ stdout: "no\n" });
        const stored = await client(scheme, "put", file, named);
        expect(stored).toEqual({ code: 0, stdout: `Stored ${named}\n`, stderr: "" });
        expect(await client(scheme, "exists", named)).toMatchObject({ stdout: "yes\n" });
        expect((await client(scheme, "list")).stdout).toContain(named);
        const copy = join(work, "copy");
        rmSync(copy, { force: true });
        expect(await client(scheme, "get", named, copy)).toMatchObject({ code: 0, stderr: "" });
        expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
      }
    });

    test("are told in words that a name is taken or missing", async () => {
      const file = join(work, "file");
      writeFileSync(file, "first");
      expect((await client(scheme, "put", file, `/${language}-${scheme}-taken`)).code).toBe(0);
      const taken = await client(scheme, "put", file, `/${language}-${scheme}-taken`);
      expect(taken.code).toBe(1);
      expect(taken.stderr).toMatch(/^405 .*already stored/);
      const missing = await client(scheme, "get", "/missing", join(work, "copy"));
      expect(missing.stderr).toBe("404 No such file.\n");
    });
  });
}

const hasPython = requireProgram("python3", "a Python client of 2010 works");
describe.skipIf(!hasPython)("a Python library", () => {
  const program = join(CLIENTS, "backup_client.py");
  const python = (accessUrl: string, caFile: string | undefined, ...args: string[]) =>
    run("python3", [program, accessUrl, ...args], { SSL_CERT_FILE: caFile ?? "" });
  keepsItsPromises("python", (scheme, ...args) => {
    const { accessUrl, caFile } = serverOf(scheme);
    return python(accessUrl, caFile, ...args);
  });

  test("reads dates and deletetimes of the listing where there are any", async () => {
    writeFileSync(join(work, "file"), "12345");
    await python(http.accessUrl, undefined, "put", join(work, "file"), "/dated");
    const { stdout } = await python(http.accessUrl, undefined, "list");
    const fields = stdout.split("\n").find((line) => line.startsWith("/dated\t"))!;
    const [, size, createtime, date, deletetime] = fields.split("\t");
    expect(size).toBe("5");
    expect(Math.abs(Number(createtime) - Date.now() / 1000)).toBeLessThan(60);
    expect(Date.parse(date!) / 1000).toBe(Number(createtime));
    expect(Number(deletetime)).toBe(Number(createtime) + 30 * 86_400);
  });

  test("waits for 100 Continue before it sends its content, and for a taken name gets 405 instead", async () => {
    writeFileSync(join(work, "file"), seededBytes("continued", 2_000_000));
    const args = ["put_after_100", join(work, "file"), "/continued"];
    expect(await python(https.accessUrl, https.caFile, ...args)).toMatchObject({
      stdout: "HTTP/1.1 201 Created\n",
    });
    expect(await python(https.accessUrl, https.caFile, ...args)).toMatchObject({
      stdout: "HTTP/1.1 405 Method Not Allowed\n",
    });
  });

  test("with a wrong password is refused at once, without another try", async () => {
    const wrong = http.accessUrl.replace(http.password, "wrong");
    const { code, stderr } = await python(wrong, undefined, "list");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^401 \S.*\n$/);
  });

  test("tries again after 5xx, and stores once", async () => {
    let failures = 2;
    const front = createServer((req, res) => {
      if (failures > 0) {
        failures -= 1;
        req.resume().on("end", () => res.writeHead(503, { "Content-Length": 5 }).end("busy\n"));
        return;
      }
      const { method, url, headers } = req;
      const onward = request({ host: "127.0.0.1", port: http.port, method, path: url, headers });
      req.pipe(onward);
      onward.on("response", (reply) => reply.pipe(res.writeHead(reply.statusCode!, reply.headers)));
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const { port } = front.address() as AddressInfo;
    writeFileSync(join(work, "file"), "retried");
    const accessUrl = http.accessUrl.replace(`:${http.port}/`, `:${port}/`);
    const put = await python(accessUrl, undefined, "put", join(work, "file"), "/retried");
    front.close();
    expect(put).toEqual({
      code: 0,
      stdout: "Stored /retried\n",
      stderr: "503, again in 1 s\n503, again in 2 s\n",
    });
    expect(readFileSync(join(http.archives, "retried"), "utf8")).toBe("retried");
  });
});

const hasJava = requireProgram("javac", "a Java client of 2010 works");
describe.skipIf(!hasJava)("a Java library", () => {
  const password = "changeit";
  let trust: string;
  beforeAll(() => {
    trust = join(work, "trust");
    execFileSync("javac", ["-d", work, join(CLIENTS, "BackupClient.java")]);
    const args = [
      ...["-importcert", "-noprompt", "-alias", "ca", "-file", https.caFile!],
      ...["-keystore", trust, "-storepass", password],
    ];
    execFileSync("keytool", args, { stdio: "pipe" });
  });
  keepsItsPromises("java", (scheme, ...args) =>
    run("java", [
      // Names of files in UTF-8, whatever the machine's locale.
      ...["-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8"],
      ...[`-Djavax.net.ssl.trustStore=${trust}`, `-Djavax.net.ssl.trustStorePassword=${password}`],
      ...["-cp", work, "BackupClient", serverOf(scheme).accessUrl, ...args],
    ]),
  );
});

const hasCurl = requireProgram("curl", "a curl-and-tar script of 2010 works");
describe.skipIf(!hasCurl).each(["http", "https"])("a script of curl and tar, over %s", (scheme) => {
  test("makes a chain of incremental archives, and restores it until the first 404", async () => {
    const { accessUrl, caFile } = serverOf(scheme);
    const env = { CURL_CA_BUNDLE: caFile ?? "" };
    const script = (...args: string[]) => run(join(CLIENTS, "incremental.sh"), args, env);
    const source = join(work, `source-${scheme}`);
    const state = join(work, `state-${scheme}`);
    mkdirSync(join(source, "kept"), { recursive: true });
    const write = (name: string, text: string) => writeFileSync(join(source, name), text);
    write("changes", "one");
    write("deleted later", "x");
    write("kept/ümlaut", "kept");
    const full = await script("full", accessUrl, "site", source, state);
    const base = full.stdout.trim();
    expect(full.stderr).toBe(`Stored /${base}-full.tar.gz\n`);
    expect(base).toMatch(/^site-\d{8}T\d{6}Z$/);
    write("changes", "two, longer");
    write("new", "n");
    await script("increment", accessUrl, base, "1", source, state);
    rmSync(join(source, "deleted later"));
    write("changes", "three, longer still");
    const second = await script("increment", accessUrl, base, "2", source, state);
    expect(second.stderr).toBe(`Stored /${base}-inc2.tar.gz\n`);

    const target = join(work, `target-${scheme}`);
    const restored = await script("restore", accessUrl, base, target);
    expect(restored).toEqual({ code: 0, stdout: "applied 3\n", stderr: "" });
    const filesIn = (folder: string) =>
      (readdirSync(folder, { recursive: true }) as string[])
        .filter((path) => statSync(join(folder, path)).isFile())
        .map((path) => [path, readFileSync(join(folder, path), "utf8")])
        .sort();
    expect(filesIn(target)).toEqual(filesIn(source));
    expect(readdirSync(target)).not.toContain("deleted later");
  });
});
