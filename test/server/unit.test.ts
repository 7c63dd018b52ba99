import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { createAccount } from "../../src/server/accounts.ts";
import { requireProgram } from "../support/programs.ts";
import { temporaryFolder } from "../support/server.ts";
import { makeCertificate } from "./support/certificates.ts";
import { basic } from "./support/operated.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const UNIT = fileURLToPath(new URL("../../contrib/restbackup.service", import.meta.url));
const unit = readFileSync(UNIT, "utf8");
const folder = temporaryFolder("unit");
afterAll(() => rmSync(folder, { recursive: true }));

/** The system calls a group stands for, with those of the groups in it. */
function callsOf(group: string): string[] {
  const text = execFileSync("systemd-analyze", ["syscall-filter", group], { encoding: "utf8" });
  const names = text
    .split("\n")
    .slice(1)
    .map((line) => line.trim());
  return names.flatMap((name) => {
    if (name === "" || name.startsWith("#")) return [];
    return name.startsWith("@") ? callsOf(name) : [name];
  });
}

/** The names of all system calls of a server that starts, takes a file, gives it back and stops. */
async function callsOfServer(): Promise<Set<string>> {
  const data = join(folder, "data");
  const account = await createAccount(data, { retentionDays: 30 });
  const { certFile, keyFile } = makeCertificate(join(folder, "tls"));
  const log = join(folder, "strace");
  const child = spawn(
    "strace",
    [
      ...["-f", "-qq", "-e", "signal=none", "-o", log, process.execPath, MAIN, "serve"],
      ...["--data", data, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
      ...["--tls-cert", certFile, "--tls-key", keyFile],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const url = /https:\S+/.exec(String((await lines.next()).value))![0];
  const metricsUrl = /http:\S+/.exec(String((await lines.next()).value))![0];
  const content = join(folder, "content");
  writeFileSync(content, Buffer.alloc(3_000_000, 7));
  const curl = ["-sSf", "--cacert", certFile, "-H", `Authorization: ${basic(account)}`];
  await run("curl", [...curl, "-T", content, url]);
  await run("curl", [...curl, "-o", join(folder, "back"), `${url}content`]);
  await run("curl", [...curl, "-H", "Accept: text/html", url]);
  expect((await fetch(`${metricsUrl}metrics`)).status).toBe(200);
  const pid = Number(/^(\d+) /.exec(readFileSync(log, "utf8"))![1]);
  process.kill(pid, "SIGTERM");
  await exited;
  const calls = readFileSync(log, "utf8").matchAll(/^\d+ +(\w+)\(/gm);
  return new Set([...calls].map(([, name]) => name!));
}

const promise = "the unit for systemd is right, and lets the server do its work";
const programs = ["systemd-analyze", "strace", "curl"].every((name) =>
  requireProgram(name, promise),
);

describe.runIf(programs)("the unit for systemd", () => {
  test("is understood by systemd, line for line", async () => {
    const path = join(folder, "restbackup.service");
    // Verifying looks for the program, which is not installed here.
    writeFileSync(path, unit.replace("/usr/local/bin/restbackup", "/bin/true"));
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", path]);
    const about = (stdout + stderr).split("\n").filter((line) => line.includes("restbackup"));
    expect(about).toEqual([]);
  });

  test("leaves little to whoever takes the server over", async () => {
    const rating = ["security", "--offline=true", "--threshold=20", "--no-pager", UNIT];
    const { stdout } = await run("systemd-analyze", rating);
    expect(stdout).toMatch(/Overall exposure level for restbackup\.service: [01]\.\d OK/);
    expect(unit).not.toMatch(/^(?:User=root|DynamicUser|NoNewPrivileges=no)/m);
  });

  test("allows each system call that the server makes", async () => {
    const [allowed, denied] = [...unit.matchAll(/^SystemCallFilter=(~?)(.+)$/gm)].map(
      ([, , groups]) => new Set(groups!.split(" ").flatMap(callsOf)),
    );
    const made = await callsOfServer();
    expect([...made]).toEqual(expect.arrayContaining(["fsync", "accept4"]));
    expect([...made].filter((name) => !allowed!.has(name))).toEqual([]);
    expect([...made].filter((name) => denied!.has(name))).toEqual([]);
  });
});
