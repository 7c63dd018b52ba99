import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type ListenAddress, urlOf } from "./listen-address.ts";

/** What the one who runs the server asks it. */
export interface Operations {
  /** Prometheus's text exposition format. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Whether requests are taken. */
  readonly isReady: () => boolean;
}

/**
 * Serves `/metrics`, `/healthz` (the process answers) and `/readyz` (the server takes requests) over
 * plain HTTP, apart from the API: for a monitoring system, and nobody else. Throws what listening does.
 */
export async function listenForOperations(
  address: ListenAddress,
  operations: Operations,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (req, res) => {
    void answer(operations, req, res).catch(() => res.destroy());
  });
  server.maxConnections = 64;
  server.timeout = 10_000;
  server.listen(address);
  await once(server, "listening");
  return {
    url: urlOf("http", address.host, (server.address() as AddressInfo).port),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  { metrics, isReady }: Operations,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (req.method !== "GET" && req.method !== "HEAD") {
    res.setHeader("Allow", "GET, HEAD");
    send(res, 405, "GET and HEAD work here.\n");
    return;
  }
  switch ((req.url ?? "").replace(/\?.*$/s, "")) {
    case "/metrics": {
      const { contentType, text } = await metrics();
      send(res, 200, text, contentType);
      return;
    }
    case "/healthz":
      send(res, 200, "alive\n");
      return;
    case "/readyz":
      if (isReady()) send(res, 200, "ready\n");
      else send(res, 503, "not ready: starting or stopping\n");
      return;
    default:
      send(res, 404, "Here are /metrics, /healthz and /readyz.\n");
  }
}

function send(
  res: ServerResponse,
  status: number,
  body: string,
  contentType = "text/plain; charset=utf-8",
): void {
  res.writeHead(status, {
    "Content-Type": contentType,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
  });
  res.end(body);
}
