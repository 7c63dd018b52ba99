import { once } from "node:events";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ioError, RestbackupError } from "../errors.ts";
import { Accounts } from "./accounts.ts";
import { answer, type Services } from "./answer.ts";
import { boundConnections } from "./connections.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { isLoopback, parseListenAddress } from "./listen-address.ts";
import { LoginLimiter } from "./rate-limit.ts";
import type { ServerEvent } from "./server-event.ts";
import { Sessions } from "./sessions.ts";
import { Sweeper, type SweepReport } from "./sweep.ts";
import { sweepEvents } from "./sweep-events.ts";
import { TrustedClock } from "./trusted-clock.ts";
import { refuseUnreadable } from "./unreadable.ts";

const KEEP_ALIVE_TIMEOUT = 30_000;
/** How long a stopping server waits for transfers under way, in milliseconds. */
const CLOSE_GRACE = 10_000;

export interface BackupServerOptions {
  /** The data folder; made when missing. */
  readonly dataDir: string;
  /** `HOST:PORT`; port 0 takes any that is free. */
  readonly listen: string;
  /** PEM texts. Without them the server speaks plain HTTP, on this machine only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Plain HTTP on any address: a proxy in front of the server does TLS. */
  readonly behindTlsProxy?: boolean;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Called once for each answered request, and for failures of the server itself. */
  readonly log?: (event: ServerEvent) => void;
  /** Called after each sweep that deletes what has expired; the log has the same in words. */
  readonly onSweep?: (report: SweepReport) => void;
  /** When the first sweep comes, in milliseconds; by default after about a minute. */
  readonly firstSweepAfter?: number;
  /** What clients may cost, where it is not {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<Limits>;
}

export interface BackupServer {
  /** Settles what an earlier run left behind, then listens. Throws `usage` or `io`. */
  listen(): Promise<{ readonly url: string }>;
  /** Takes no more requests, lets those under way end for a while, then cuts them. */
  close(): Promise<void>;
}

/**
 * A Backup API server (`backup-api.md`) in front of one directory store for each account.
 * Throws `usage` for an address that is none, and for plain HTTP where others could listen in.
 */
export function createBackupServer(options: BackupServerOptions): BackupServer {
  const address = parseListenAddress(options.listen);
  if (options.tls === undefined && options.behindTlsProxy !== true && !isLoopback(address.host)) {
    throw new RestbackupError("usage", "Passwords must not cross a network in the clear.", {
      hint: "Give --tls-cert and --tls-key, or listen on 127.0.0.1.",
    });
  }
  const clock = options.clock ?? Date.now;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const log = options.log ?? (() => {});
  const trustedClock = new TrustedClock(options.dataDir, { clock });
  const accounts = new Accounts(options.dataDir, () => trustedClock.now());
  const sweeper = new Sweeper(accounts, trustedClock, {
    report: (report) => {
      sweepEvents(report).forEach(log);
      options.onSweep?.(report);
    },
    ...(options.firstSweepAfter === undefined ? {} : { firstAfter: options.firstSweepAfter }),
  });
  const sessions = new Sessions(options.dataDir, accounts, clock);
  const services: Services = {
    accounts,
    sessions,
    behindTlsProxy: options.behindTlsProxy ?? false,
    logins: new LoginLimiter(limits.logins),
    pace: limits.bodyPace,
    clock,
    log,
  };
  const server = createNodeServer(options, limits);
  const underWay = new Set<Promise<void>>();
  const serve = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean) => {
    const answering = answer(services, req, res, expectsContinue);
    underWay.add(answering);
    void answering.finally(() => underWay.delete(answering));
  };
  server.on("request", (req, res) => serve(req, res, false));
  server.on("checkContinue", (req, res) => serve(req, res, true));
  return {
    async listen() {
      try {
        await accounts.openAll();
        await sessions.tidy();
        await sweeper.start();
        server.listen(address);
        await once(server, "listening");
      } catch (error) {
        await sweeper.stop();
        throw ioError(`Cannot serve on ${options.listen}`, error);
      }
      const { port } = server.address() as AddressInfo;
      const host = address.host.includes(":") ? `[${address.host}]` : address.host;
      return { url: `${options.tls === undefined ? "http" : "https"}://${host}:${port}/` };
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const graceOver = new AbortController();
      await Promise.race([
        closed,
        sleep(CLOSE_GRACE, undefined, { signal: graceOver.signal }).catch(() => {}),
      ]);
      graceOver.abort();
      server.closeAllConnections();
      await closed;
      // An upload that was cut is still clearing its temporary files away.
      await Promise.allSettled(underWay);
      await sweeper.stop();
    },
  };
}

function createNodeServer(options: BackupServerOptions, limits: Limits): Server {
  const common = {
    // The body of an upload may take hours: it is the idle socket that is cut.
    requestTimeout: 0,
    headersTimeout: limits.headersTimeout,
    connectionsCheckingInterval: limits.headersTimeout / 6,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    highWaterMark: 256 * 1024,
    noDelay: true,
  };
  let server: Server;
  try {
    server =
      options.tls === undefined
        ? createHttpServer(common)
        : createHttpsServer({
            ...common,
            ...options.tls,
            minVersion: "TLSv1.2",
            handshakeTimeout: limits.headersTimeout,
          });
  } catch (error) {
    throw new RestbackupError("usage", "The TLS certificate and key cannot be used.", {
      hint: "Both must be PEM files and belong to each other.",
      cause: error,
    });
  }
  server.timeout = limits.idleTimeout;
  // The parser bounds their bytes. Bounding their number would drop some without a word.
  server.maxHeadersCount = 0;
  boundConnections(server, limits.connections);
  refuseUnreadable(server);
  return server;
}
