import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "../../support/server.ts";
import { makeCertificate } from "./certificates.ts";

const CONFIGURATION = new URL("../../../contrib/nginx.conf", import.meta.url);

export interface Nginx {
  readonly httpsPort: number;
  readonly httpPort: number;
  /** The certificate to trust. */
  readonly caFile: string;
  /** What it serves below `/.well-known/acme-challenge/` lies here, at that path. */
  readonly webRoot: string;
  readonly accessLog: () => string;
  /** From level info on. */
  readonly errorLog: () => string;
  close(): Promise<void>;
}

/** The real nginx with contrib/nginx.conf, in front of a server at this port of this machine. */
export async function startNginx(backendPort: number): Promise<Nginx> {
  const folder = temporaryFolder("nginx");
  const webRoot = join(folder, "www");
  mkdirSync(webRoot);
  const { certFile } = makeCertificate(join(folder, "live"));
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const accessLog = join(folder, "access.log");
  const errorLog = join(folder, "error.log");
  const site = adapted(readFileSync(CONFIGURATION, "utf8"), [
    ["listen 80;", `listen 127.0.0.1:${httpPort};`],
    ["listen [::]:80;", ""],
    ["listen 443 ssl;", `listen 127.0.0.1:${httpsPort} ssl;`],
    ["listen [::]:443 ssl;", ""],
    ["/etc/letsencrypt/live/backup.example.com", join(folder, "live")],
    ["/var/log/nginx/access.log", accessLog],
    ["root /var/www/html", `root ${webRoot}`],
    ["127.0.0.1:8080", `127.0.0.1:${backendPort}`],
  ]);
  writeFileSync(join(folder, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const main = [
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off;",
    "worker_processes 1;",
    `pid ${join(folder, "nginx.pid")};`,
    `error_log ${errorLog} info;`,
    "events {}",
    "http {",
    ...temporary.map((what) => `${what}_temp_path ${join(folder, what)};`),
    `include ${join(folder, "site.conf")};`,
    "}",
  ];
  writeFileSync(join(folder, "nginx.conf"), main.join("\n"));
  const child = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", errorLog], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const exited = once(child, "exit");
  const logOf = (path: string) => () => readFileSync(path, "utf8");
  for (let tries = 0; !(await isOpen(httpsPort)); tries += 1) {
    if (child.exitCode !== null || tries > 200) throw new Error(`nginx does not serve: ${said}`);
    await sleep(25);
  }
  return {
    ...{ httpPort, httpsPort, caFile: certFile, webRoot },
    accessLog: logOf(accessLog),
    errorLog: logOf(errorLog),
    async close() {
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Throws when there is something to replace no more: then it is no longer this file that is tested. */
function adapted(text: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((rest, [from, to]) => {
    if (!rest.includes(from)) throw new Error(`contrib/nginx.conf holds no ${from}`);
    return rest.replaceAll(from, to);
  }, text);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
