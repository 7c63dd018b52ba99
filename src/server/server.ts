import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ioError, RestbackupError } from "../errors.ts";
import { countInWords, timeInWords } from "../words.ts";
import { Accounts } from "./accounts.ts";
import { answer, type Services } from "./answer.ts";
import { type Exchange, Exchanges } from "./exchanges.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { isLoopback, parseListenAddress, urlOf } from "./listen-address.ts";
import { Metrics } from "./metrics.ts";
import { createNodeServer, useKeyPair } from "./node-server.ts";
import { listenForOperations } from "./operations-listener.ts";
import { LoginLimiter } from "./rate-limit.ts";
import type { ServerEvent } from "./server-event.ts";
import { Sessions } from "./sessions.ts";
import { Sweeper, type SweepReport } from "./sweep.ts";
import { sweepEvents } from "./sweep-events.ts";
import {
  CertificateFiles,
  checkKeyPair,
  type KeyPair,
  type KeyPairFiles,
  type UsablePair,
} from "./tls.ts";
import { TrustedClock } from "./trusted-clock.ts";

export interface BackupServerOptions {
  /** The data folder; made when missing. */
  readonly dataDir: string;
  /** `HOST:PORT`; port 0 takes any that is free. */
  readonly listen: string;
  /**
   * PEM texts, or files of them, which are watched and read again when they change. Without either
   * the server speaks plain HTTP, on this machine only.
   */
  readonly tls?: KeyPair | KeyPairFiles;
  /** Plain HTTP on any address: a proxy in front does TLS, and says for whom it asks. */
  readonly behindTlsProxy?: boolean;
  /** `HOST:PORT` for metrics and health, over plain HTTP. Without it there are none. */
  readonly metrics?: string;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Called once for each answered request, and for failures of the server itself. */
  readonly log?: (event: ServerEvent) => void;
  /** Called after each sweep that deletes what has expired; the log has the same in words. */
  readonly onSweep?: (report: SweepReport) => void;
  /** When the first sweep comes, in milliseconds; by default after about a minute. */
  readonly firstSweepAfter?: number;
  /** How often it is looked whether certificate files changed, in milliseconds. */
  readonly lookForCertificateEvery?: number;
  /** What clients may cost, where it is not {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<Limits>;
}

export interface BackupServer {
  /** Settles what an earlier run left behind, then listens. Throws `usage` or `io`. */
  listen(): Promise<{ readonly url: string; readonly metricsUrl?: string }>;
  /** Reads certificate files now. When they cannot be used, the log says so and the old ones stay. */
  reload(): Promise<void>;
  /** Takes no more requests, lets those under way end for a while, then cuts them. */
  close(): Promise<void>;
}

/**
 * A Backup API server (`backup-api.md`) in front of one directory store for each account.
 * Throws `usage` for an address that is none, and for plain HTTP where others could listen in.
 */
export function createBackupServer(options: BackupServerOptions): BackupServer {
  const { tls, dataDir, behindTlsProxy = false, clock = Date.now } = options;
  const address = parseListenAddress(options.listen);
  const metricsAddress =
    options.metrics === undefined ? undefined : parseListenAddress(options.metrics);
  if (tls === undefined && !behindTlsProxy && !isLoopback(address.host)) {
    throw new RestbackupError("usage", "Passwords must not cross a network in the clear.", {
      hint: "Give --tls-cert and --tls-key, or listen on 127.0.0.1.",
    });
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const scheme = tls === undefined ? "http" : "https";
  const server = createNodeServer(scheme, limits);
  const metrics =
    metricsAddress === undefined
      ? undefined
      : new Metrics({ dataDir, connections: () => exchanges.connections });
  const log = (event: ServerEvent) => {
    if (event.level === "error") metrics?.errorLogged();
    options.log?.(event);
  };
  const exchanges = new Exchanges(server, {
    behindTlsProxy,
    mostWaiting: limits.pipelined,
    onBegin: (method) => metrics?.requestBegun(method),
    onEnd: (exchange) => {
      metrics?.requestEnded(exchange);
      log(eventOf(exchange));
    },
    onFailure: (error) => log({ level: "error", message: `a request failed: ${error}` }),
  });
  const trustedClock = new TrustedClock(dataDir, { clock });
  const accounts = new Accounts(dataDir, () => trustedClock.now());
  const sweeper = new Sweeper(accounts, trustedClock, {
    report: (report) => {
      sweepEvents(report).forEach(log);
      metrics?.swept(report);
      options.onSweep?.(report);
    },
    ...(options.firstSweepAfter === undefined ? {} : { firstAfter: options.firstSweepAfter }),
  });
  const sessions = new Sessions(dataDir, accounts, clock);
  const services: Services = {
    accounts,
    sessions,
    behindTlsProxy,
    logins: new LoginLimiter(limits.logins),
    pace: limits.bodyPace,
    clock,
    log,
  };
  const serve = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean) => {
    exchanges.begin(req, res, () => answer(services, req, res, expectsContinue));
  };
  server.on("request", (req, res) => serve(req, res, false));
  server.on("checkContinue", (req, res) => serve(req, res, true));

  const take = (pair: UsablePair) => {
    useKeyPair(server, pair);
    metrics?.certificateTaken(pair.expires);
    const expired = pair.expires * 1000 < Date.now();
    const until = `${expired ? "expired" : "expires"} ${timeInWords(pair.expires)}`;
    log({ level: expired ? "error" : "info", message: `the certificate in use ${until}` });
  };
  const certificate =
    tls !== undefined && "certFile" in tls
      ? new CertificateFiles(tls, {
          onRenewed: take,
          onProblem: (message) =>
            log({ level: "error", message: `the certificate stays the old one: ${message}` }),
          ...(options.lookForCertificateEvery === undefined
            ? {}
            : { lookEvery: options.lookForCertificateEvery }),
        })
      : undefined;
  const given = tls !== undefined && "cert" in tls ? checkKeyPair(tls) : undefined;
  let ready = false;
  let operations: Awaited<ReturnType<typeof listenForOperations>> | undefined;

  return {
    async listen() {
      try {
        if (metrics !== undefined && metricsAddress !== undefined) {
          operations = await listenForOperations(metricsAddress, {
            metrics: () => metrics.exposition(),
            isReady: () => ready,
          });
        }
        const pair = given ?? (await certificate?.start());
        if (pair !== undefined) take(pair);
        await accounts.openAll();
        await sessions.tidy();
        await sweeper.start();
        server.listen(address);
        await once(server, "listening");
        ready = true;
      } catch (error) {
        certificate?.stop();
        await sweeper.stop();
        await operations?.close();
        throw ioError(`Cannot serve on ${options.listen}`, error);
      }
      const { port } = server.address() as AddressInfo;
      return {
        url: urlOf(scheme, address.host, port),
        ...(operations === undefined ? {} : { metricsUrl: operations.url }),
      };
    },
    async reload() {
      await certificate?.reload();
    },
    async close() {
      ready = false;
      certificate?.stop();
      const cut = await exchanges.stop(server, limits.shutdownGrace);
      if (cut > 0) log({ level: "error", message: `cut ${countInWords(cut, "request")} to stop` });
      await sweeper.stop();
      await operations?.close();
    },
  };
}

function eventOf({ id, seconds, withCredentials: _, ...exchange }: Exchange): ServerEvent {
  const milliseconds = Math.round(seconds * 1000);
  return { level: "info", message: "answered", ...exchange, milliseconds, requestId: id };
}
