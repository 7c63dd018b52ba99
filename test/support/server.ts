import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Credentials, createAccount } from "../../src/server/accounts.ts";
import { collectOften } from "../../src/server/collect-often.ts";
import type { Limits } from "../../src/server/limits.ts";
import { createBackupServer } from "../../src/server/server.ts";
import type { ServerEvent } from "../../src/server/server-event.ts";

const DIST = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface TestServerOptions {
  /** HTTPS with a certificate for localhost and 127.0.0.1, made for this run. */
  readonly tls?: boolean;
  /** Serves a folder that exists already, and leaves it when closed. */
  readonly dataDir?: string;
  /** Port to listen on; by default any that is free. */
  readonly port?: number;
  /** Serves this account of `dataDir`; by default a new one. */
  readonly account?: Credentials;
  readonly clock?: () => number;
  readonly log?: (event: ServerEvent) => void;
  readonly limits?: Partial<Limits>;
  readonly behindTlsProxy?: boolean;
}

export interface TestServer {
  /** Of an account of its own, kept 30 days. */
  readonly accessUrl: string;
  readonly username: string;
  readonly password: string;
  /** Without credentials, with a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Where the account's entries lie. */
  readonly archives: string;
  /** The certificate to trust; undefined without TLS. */
  readonly caFile: string | undefined;
  close(): Promise<void>;
}

/** A real server in this process, on 127.0.0.1. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? temporaryFolder("server");
  const credentials = options.account ?? (await createAccount(dataDir, { retentionDays: 30 }));
  const certificate = options.tls === true ? makeCertificate(dataDir) : undefined;
  const server = createBackupServer({
    dataDir,
    listen: `127.0.0.1:${options.port ?? 0}`,
    ...(certificate === undefined ? {} : { tls: certificate }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    behindTlsProxy: options.behindTlsProxy ?? false,
  });
  const { url } = await server.listen();
  return describe(url, dataDir, credentials, certificate?.file, async () => {
    await server.close();
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  });
}

export interface TestServerProcess extends TestServer {
  readonly pid: number;
  /** Ends the process at once, as kill -9 does; the data folder stays. */
  kill(): Promise<void>;
}

/** A real server in a process of its own, which can be killed. */
export async function startServerProcess(
  options: Pick<TestServerOptions, "tls" | "dataDir" | "port" | "account"> & {
    /** Additions to the environment. */
    readonly env?: NodeJS.ProcessEnv;
    /** `restbackup serve` of dist, whose memory is what users see; by default the sources. */
    readonly built?: boolean;
  } = {},
): Promise<TestServerProcess> {
  const dataDir = options.dataDir ?? temporaryFolder("server");
  const credentials = options.account ?? (await createAccount(dataDir, { retentionDays: 30 }));
  const certificate = options.tls === true ? makeCertificate(dataDir) : undefined;
  const port = String(options.port ?? 0);
  const args = options.built
    ? [
        ...[DIST, "serve", "--quiet", "--json", "--data", dataDir, "--listen", `127.0.0.1:${port}`],
        ...(certificate === undefined
          ? []
          : ["--tls-cert", certificate.file, "--tls-key", certificate.keyFile]),
      ]
    : [
        ...[fileURLToPath(import.meta.url), dataDir, port],
        ...(certificate === undefined ? [] : [certificate.file, certificate.keyFile]),
      ];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...options.env },
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([once(lines, "line"), exited]);
  if (typeof first !== "string") throw new Error("The server process ended at once.");
  const url = /https?:[^"]+/.exec(first)![0];
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  const server = describe(url, dataDir, credentials, certificate?.file, async () => {
    await end("SIGTERM");
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  });
  return { ...server, pid: child.pid!, kill: () => end("SIGKILL") };
}

export function temporaryFolder(label: string): string {
  return mkdtempSync(join(tmpdir(), `restbackup-test-${label}-`));
}

function describe(
  url: string,
  dataDir: string,
  { username, password }: Credentials,
  caFile: string | undefined,
  close: () => Promise<void>,
): TestServer {
  return {
    accessUrl: url.replace("://", `://${username}:${password}@`),
    username,
    password,
    url,
    port: Number(new URL(url).port),
    dataDir,
    archives: join(dataDir, "archives", username),
    caFile,
    close,
  };
}

interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly file: string;
  readonly keyFile: string;
}

/** A certificate beside the data, so that it goes when that goes. */
function makeCertificate(dataDir: string): Certificate {
  const folder = mkdtempSync(join(dataDir, "tls-"));
  const file = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-keyout", keyFile, "-out", file],
    ],
    { stdio: "pipe" },
  );
  return { cert: readFileSync(file, "utf8"), key: readFileSync(keyFile, "utf8"), file, keyFile };
}

/** The process that {@link startServerProcess} starts: DATA PORT [CERT KEY]. */
async function main([dataDir, port, cert, key]: string[]): Promise<void> {
  collectOften();
  const server = createBackupServer({
    dataDir: dataDir!,
    listen: `127.0.0.1:${port}`,
    log: ({ level, message }) => {
      if (level === "error") console.error(message);
    },
    ...(cert === undefined || key === undefined
      ? {}
      : { tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") } }),
  });
  process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
  const { url } = await server.listen();
  console.log(url);
}

if (import.meta.main) await main(process.argv.slice(2));
