import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { temporaryFolder } from "./server.ts";

/** A cache service as the variables of a runner name it to a step. */
export interface TestCache {
  readonly env: Readonly<Record<string, string>>;
  /** The keys of what it holds; unknown for the first version of the protocol. */
  readonly keys?: () => string[];
  /** Changes everything that it holds. */
  poison(change: (content: Buffer) => Buffer): void;
  close(): Promise<void>;
}

/** What a step must never print. */
export const RUNTIME_TOKEN = "eyJhbGciOiJub25lIn0.cnVudGltZQ.dG9rZW4";

/** Version 1 of the protocol, as `dtu-github-actions` speaks it. Once in a process. */
export async function startCacheV1(): Promise<TestCache> {
  const folder = temporaryFolder("cache-v1");
  // Read when its modules are loaded.
  process.env.DTU_CACHE_DIR = folder;
  process.env.DTU_LOGS_DIR = join(folder, "logs");
  const { log, warn, error } = console;
  const { startEphemeralDtu } = await import("dtu-github-actions/ephemeral");
  const { url, close } = await startEphemeralDtu(folder);
  const { readdirSync, readFileSync, rmSync, writeFileSync } = await import("node:fs");
  return {
    env: { ACTIONS_CACHE_URL: `${url}/`, ACTIONS_RUNTIME_TOKEN: RUNTIME_TOKEN },
    poison(change) {
      for (const name of readdirSync(folder).filter((file) => file.startsWith("cache_"))) {
        const file = join(folder, name);
        writeFileSync(file, change(readFileSync(file)));
      }
    },
    async close() {
      await close();
      // While it runs it has these write to a file.
      Object.assign(console, { log, warn, error });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const TWIRP = "/twirp/github.actions.results.api.v1.CacheService/";
const BLOBS = "/account/container/";

/** HTTPS for a host of which the certificate is. */
export interface Secure {
  readonly host: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Version 2: Twirp calls that hand out urls of blobs, and the blobs, as Azure Blob Storage keeps them. */
export async function startCacheV2(secure?: Secure): Promise<TestCache> {
  const blobs = new Map<string, Buffer>();
  const blocks = new Map<string, Buffer>();
  /** Blobs by key and version. */
  const entries = new Map<string, { readonly key: string; readonly blob: string }>();
  let origin = "";

  const call = (method: string, request: Record<string, string>): object => {
    const id = `${request.key} ${request.version}`;
    const url = (blob: string) => `${origin}${BLOBS}${blob}?sig=c2lnbmF0dXJl`;
    const entry = entries.get(id);
    switch (method) {
      case "CreateCacheEntry": {
        if (entry !== undefined) return { ok: false };
        const blob = `blob-${entries.size}`;
        entries.set(id, { key: request.key!, blob });
        return { ok: true, signed_upload_url: url(blob) };
      }
      case "FinalizeCacheEntryUpload": {
        const ok = blobs.get(entry?.blob ?? "")?.length === Number(request.size_bytes);
        return { ok, entry_id: "7" };
      }
      case "GetCacheEntryDownloadURL":
        if (entry === undefined) return { ok: false };
        return { ok: true, matched_key: entry.key, signed_download_url: url(entry.blob) };
      default:
        throw new Error(`no such call: ${method}`);
    }
  };
  const blob = async (url: URL, request: IncomingMessage): Promise<Buffer | undefined> => {
    const name = url.pathname.slice(BLOBS.length);
    if (url.searchParams.get("sig") !== "c2lnbmF0dXJl") throw new Error("not signed");
    if (request.method === "HEAD") return blobs.get(name);
    if (request.method === "GET") {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(rangeOf(request) ?? "") ?? [];
      const content = blobs.get(name);
      return from === undefined ? content : content?.subarray(Number(from), Number(to) + 1);
    }
    const body = await buffer(request);
    const block = (id: string) => `${name} ${id}`;
    switch (url.searchParams.get("comp")) {
      case "block":
        blocks.set(block(url.searchParams.get("blockid")!), body);
        break;
      case "blocklist": {
        const ids = [...body.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)];
        blobs.set(name, Buffer.concat(ids.map(([, id]) => blocks.get(block(id!))!)));
        break;
      }
      default:
        if (request.headers["x-ms-blob-type"] !== "BlockBlob") throw new Error("no block blob");
        blobs.set(name, body);
    }
    return undefined;
  };

  const answer: RequestListener = async (request, response) => {
    try {
      const url = new URL(request.url!, origin);
      if (url.pathname.startsWith(TWIRP)) {
        if (request.headers.authorization !== `Bearer ${RUNTIME_TOKEN}`) throw new Error("token");
        const body = JSON.parse((await buffer(request)).toString());
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify(call(url.pathname.slice(TWIRP.length), body)));
        return;
      }
      const content = await blob(url, request);
      const found = rangeOf(request) === undefined ? 200 : 206;
      response.setHeader("ETag", '"0x8DE2A"');
      response.statusCode = request.method === "PUT" ? 201 : content === undefined ? 404 : found;
      response.setHeader("Content-Length", content?.length ?? 0);
      response.end(content);
    } catch (error) {
      response.statusCode = 400;
      response.end(JSON.stringify({ msg: String(error) }));
    }
  };
  const server = secure === undefined ? createServer(answer) : createSecureServer(secure, answer);
  origin = await listen(server);
  if (secure !== undefined) origin = `https://${secure.host}:${new URL(origin).port}`;
  return {
    env: serviceV2(origin),
    keys: () => [...entries.values()].map(({ key }) => key),
    poison(change) {
      for (const [name, content] of blobs) blobs.set(name, change(content));
    },
    close: () => stop(server),
  };
}

/** A service that is there and does not do what it should, whatever version it is spoken to in. */
export async function startBrokenCache(
  version: 1 | 2,
  fault: "answers 500" | "cuts connections" | "never answers",
): Promise<Pick<TestCache, "env" | "close">> {
  const answer: Record<typeof fault, RequestListener> = {
    "answers 500": (_, response) => {
      response.statusCode = 500;
      response.end("{}");
    },
    "cuts connections": ({ socket }) => socket.destroy(),
    "never answers": () => {},
  };
  const server = createServer(answer[fault]);
  const origin = await listen(server);
  const env =
    version === 2
      ? serviceV2(origin)
      : { ACTIONS_CACHE_URL: `${origin}/`, ACTIONS_RUNTIME_TOKEN: RUNTIME_TOKEN };
  return { env, close: () => stop(server) };
}

function serviceV2(origin: string): Record<string, string> {
  return {
    ACTIONS_CACHE_SERVICE_V2: "True",
    ACTIONS_RESULTS_URL: `${origin}/`,
    ACTIONS_RUNTIME_TOKEN: RUNTIME_TOKEN,
  };
}

/** Azure's own header, or the standard one. */
function rangeOf({ headers }: IncomingMessage): string | undefined {
  return headers["x-ms-range"]?.toString() ?? headers.range;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}
