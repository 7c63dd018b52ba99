import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

/** What a request for a repository was, as the server saw it. */
interface Seen {
  readonly path: string;
  readonly authorization: string | undefined;
}

/**
 * A git server over HTTP like GitHub's: the real `git http-backend`, Basic authentication by token,
 * the batch API of Git LFS with its storage, and refs/pull that nobody may push to.
 */
export interface GitServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Where bare repositories lie: `OWNER/REPO.git`. */
  readonly root: string;
  readonly requests: readonly Seen[];
  /** Repositories (`OWNER/REPO`) that answer 403 to everybody. */
  readonly forbidden: Set<string>;
  /** The next so many requests are answered 503. */
  failNext(count: number): void;
  /** Answers requests for a repository with 400 and what the request said of itself. */
  echo(name: string): void;
  /** Sends requests for a repository on to another address, at once or only who has the token. */
  redirect(name: string, to: string, known?: boolean): void;
  /** Where the content of an LFS object lies. */
  lfsFile(oid: string): string;
  close(): Promise<void>;
}

export async function startGitServer(
  root: string,
  token: string,
  tls?: { readonly cert: Buffer; readonly key: Buffer },
): Promise<GitServer> {
  const requests: Seen[] = [];
  const forbidden = new Set<string>();
  const echoed = new Set<string>();
  const moved = new Map<string, { to: string; known: boolean }>();
  const storage = path.join(root, "lfs-storage");
  fs.mkdirSync(storage, { recursive: true });
  const lfsFile = (oid: string) => path.join(storage, oid);
  let failing = 0;
  let base = "";

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, base);
    const { authorization } = request.headers;
    requests.push({ path: url.pathname, authorization });
    if (failing > 0) {
      failing--;
      return refuse(response, 503, "try again");
    }
    const stored = /^\/lfs-storage\/([0-9a-f]{64})$/.exec(url.pathname);
    if (stored !== null) return await storedObject(request, response, stored[1]!);
    const [, name, rest] = /^\/([^/]+\/[^/]+?)\.git(\/.*)$/.exec(url.pathname) ?? [];
    const move = moved.get(name ?? "");
    if (move !== undefined && (!move.known || authorization === basic(token))) {
      response.writeHead(301, { Location: `${move.to}.git${rest}${url.search}` }).end();
      return;
    }
    if (authorization !== basic(token)) {
      response.setHeader("WWW-Authenticate", 'Basic realm="GitHub"');
      return refuse(response, 401, "who are you?");
    }
    if (name !== undefined && echoed.has(name)) {
      // git shows what is plain text, behind "remote:".
      const sent = Buffer.from(authorization!.slice(6), "base64").toString();
      return refuse(response, 400, `${authorization} is ${sent}`);
    }
    if (name !== undefined && forbidden.has(name)) return refuse(response, 403, "not for you");
    if (name === undefined || !fs.existsSync(path.join(root, `${name}.git`))) {
      return refuse(response, 404, "Repository not found.");
    }
    if (rest === "/info/lfs/objects/batch") return await batch(request, response);
    if (rest!.startsWith("/info/lfs/")) return refuse(response, 404, "no locks here");
    await backend(root, url, request, response);
  }

  async function batch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { operation, objects } = JSON.parse((await readAll(request)).toString());
    const action = (oid: string) => ({
      href: `${base}/lfs-storage/${oid}`,
      header: { Authorization: `RemoteAuth ${linkSecret(token, oid)}` },
    });
    const answers = objects.map(({ oid, size }: { oid: string; size: number }) => {
      const exists = fs.existsSync(lfsFile(oid));
      if (operation === "upload") {
        return { oid, size, ...(exists ? {} : { actions: { upload: action(oid) } }) };
      }
      if (exists) return { oid, size, actions: { download: action(oid) } };
      return { oid, size, error: { code: 404, message: "Object does not exist on the server" } };
    });
    response.writeHead(200, { "Content-Type": "application/vnd.git-lfs+json" });
    response.end(JSON.stringify({ transfer: "basic", objects: answers }));
  }

  async function storedObject(
    request: IncomingMessage,
    response: ServerResponse,
    oid: string,
  ): Promise<void> {
    if (request.headers.authorization !== `RemoteAuth ${linkSecret(token, oid)}`) {
      return refuse(response, 403, "not for you");
    }
    if (request.method === "PUT") {
      const content = await readAll(request);
      if (sha256(content) !== oid) return refuse(response, 422, "not what it is called");
      fs.writeFileSync(lfsFile(oid), content);
      response.writeHead(200).end();
      return;
    }
    if (!fs.existsSync(lfsFile(oid))) return refuse(response, 404, "gone");
    response.writeHead(200, { "Content-Length": fs.statSync(lfsFile(oid)).size });
    await pipeline(fs.createReadStream(lfsFile(oid)), response);
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) refuse(response, 500, String(error));
      else response.destroy();
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: base,
    root,
    requests,
    forbidden,
    failNext: (count) => {
      failing = count;
    },
    echo: (name) => void echoed.add(name),
    redirect: (name, to, known = false) => void moved.set(name, { to, known }),
    lfsFile,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function linkSecret(token: string, oid: string): string {
  return sha256(Buffer.from(`${token} ${oid}`));
}

function basic(token: string): string {
  return `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** One request through git's own CGI program (git-http-backend(1)). */
async function backend(
  root: string,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers } = request;
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_COUNT: "2",
      GIT_CONFIG_KEY_0: "http.receivepack",
      GIT_CONFIG_VALUE_0: "true",
      GIT_CONFIG_KEY_1: "receive.hideRefs",
      GIT_CONFIG_VALUE_1: "refs/pull",
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers["content-type"] ?? "",
      REMOTE_USER: "x-access-token",
      REMOTE_ADDR: "127.0.0.1",
      GIT_PROTOCOL: String(headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => {});
  const body = headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
  body.pipe(child.stdin);
  let head = Buffer.alloc(0);
  for await (const chunk of child.stdout) {
    if (response.headersSent) {
      if (!response.write(chunk)) await new Promise((resolve) => response.once("drain", resolve));
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) continue;
    const fields = head
      .toString("latin1", 0, end)
      .split("\r\n")
      .map((line) => line.split(": "));
    const status = fields.find(([name]) => name === "Status")?.[1];
    response.writeHead(
      status === undefined ? 200 : Number.parseInt(status, 10),
      Object.fromEntries(fields.filter(([name]) => name !== "Status")),
    );
    response.write(head.subarray(end + 4));
  }
  response.end();
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain" }).end(`${text}\n`);
}
