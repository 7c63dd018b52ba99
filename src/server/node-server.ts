import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Server as TlsServer } from "node:tls";
import { boundConnections } from "./connections.ts";
import type { Limits } from "./limits.ts";
import type { KeyPair } from "./tls.ts";
import { refuseUnreadable } from "./unreadable.ts";

/** How long a connection may wait for its next request, in milliseconds. */
const KEEP_ALIVE_TIMEOUT = 30_000;
const MIN_VERSION = "TLSv1.2";

/** Node's server, within limits. For HTTPS it takes no handshake before {@link useKeyPair}. */
export function createNodeServer(scheme: "http" | "https", limits: Limits): Server {
  const common = {
    // The body of an upload may take hours: it is the idle socket that is cut.
    requestTimeout: 0,
    headersTimeout: limits.headersTimeout,
    connectionsCheckingInterval: limits.headersTimeout / 6,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    highWaterMark: 64 * 1024,
    noDelay: true,
    // Refused in words by the answering.
    requireHostHeader: false,
  };
  const server: Server =
    scheme === "http"
      ? createHttpServer(common)
      : createHttpsServer({
          ...common,
          minVersion: MIN_VERSION,
          handshakeTimeout: limits.headersTimeout,
        });
  server.timeout = limits.idleTimeout;
  // The parser bounds their bytes. Bounding their number would drop some without a word.
  server.maxHeadersCount = 0;
  boundConnections(server, limits.connections);
  refuseUnreadable(server);
  return server;
}

/** Uses a certificate for handshakes from now on; connections that are open stay. */
export function useKeyPair(server: Server, { cert, key }: KeyPair): void {
  (server as Server & TlsServer).setSecureContext({ cert, key, minVersion: MIN_VERSION });
}
