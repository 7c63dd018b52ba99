import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { clientAddress } from "./client-address.ts";
import { loggablePath } from "./request-path.ts";

/** A request and its answer, once both are over. */
export interface Exchange {
  /** As in the answer's `X-Request-Id`. */
  readonly id: string;
  readonly method: string;
  /** Without query, and without a session's token. */
  readonly path: string;
  /** Absent when the client went away before it was answered. */
  readonly status: number | undefined;
  readonly username: string | undefined;
  readonly remoteAddress: string;
  readonly seconds: number;
  /** With headers, without what TLS adds. Over a connection they add up to all that went over it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Whether the request came with a username and password. */
  readonly withCredentials: boolean;
}

/** What goes on at a server's connections. */
export interface ExchangesOptions {
  readonly behindTlsProxy: boolean;
  /** Requests that may wait on a connection; one that sends more is cut. */
  readonly mostWaiting: number;
  readonly onBegin: (method: string) => void;
  readonly onEnd: (exchange: Exchange) => void;
  /** Answering failed where nothing should. */
  readonly onFailure: (error: unknown) => void;
}

interface Connection {
  /** When the last request that came on it is over. */
  last: Promise<void>;
  waiting: number;
  /** Nothing that comes after is a request (RFC 9112, 9.6). */
  isOver: boolean;
  /** Bytes of earlier exchanges. */
  in: number;
  out: number;
}

const LONGEST_PATH = 2048;

/** Observes each request from its header to the end of its answer, and ends them in good order. */
export class Exchanges {
  readonly #options: ExchangesOptions;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Map<ServerResponse, Promise<void>>();
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #prefix = randomBytes(4).toString("hex");
  #begun = 0;
  #stopping = false;

  constructor(server: Server, options: ExchangesOptions) {
    this.#options = options;
    // The raw connection, under TLS too, so that a handshake under way can be ended.
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /**
   * Answers a request by `answer`, which tells whose it was. Of several that came at once on a
   * connection each begins when the one before is over, so that a GET sees what the PUT before it
   * stored (RFC 9112, 9.3.2).
   */
  begin(
    req: IncomingMessage,
    res: ServerResponse,
    answer: () => Promise<string | undefined>,
  ): void {
    const begun = performance.now();
    const { socket, method = "" } = req;
    const connection = this.#connectionOf(socket);
    if (connection.isOver) return;
    if (connection.waiting > this.#options.mostWaiting) {
      socket.destroy();
      return;
    }
    this.#begun += 1;
    const id = `${this.#prefix}-${this.#begun.toString(36)}`;
    const remoteAddress = clientAddress(req, this.#options.behindTlsProxy);
    res.setHeader("X-Request-Id", id);
    if (this.#stopping) res.setHeader("Connection", "close");
    const before = connection.last;
    this.#options.onBegin(method);
    connection.waiting += 1;
    const exchange = (async () => {
      if (connection.waiting > 1) await before;
      if (socket.destroyed) connection.isOver = true;
      const over = whenOver(res, socket);
      const username = connection.isOver ? undefined : await this.#guarded(answer, res);
      await over;
      if (isLast(res) || socket.destroyed) connection.isOver = true;
      const { bytesRead, bytesWritten } = socket;
      const bytesIn = bytesRead - connection.in;
      const bytesOut = bytesWritten - connection.out;
      connection.in = bytesRead;
      connection.out = bytesWritten;
      this.#options.onEnd({
        id,
        method,
        path: pathOf(req),
        status: statusOf(res),
        username,
        remoteAddress,
        seconds: (performance.now() - begun) / 1000,
        bytesIn,
        bytesOut,
        withCredentials: (req.headers.authorization ?? "") !== "",
      });
    })().finally(() => {
      connection.waiting -= 1;
      this.#answers.delete(res);
      if (this.#stopping) socket.destroySoon();
    });
    connection.last = exchange;
    this.#answers.set(res, exchange);
  }

  async #guarded(
    answer: () => Promise<string | undefined>,
    res: ServerResponse,
  ): Promise<string | undefined> {
    try {
      return await answer();
    } catch (error) {
      this.#options.onFailure(error);
      res.destroy();
      return undefined;
    }
  }

  #connectionOf(socket: Socket): Connection {
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      connection = { last: Promise.resolve(), waiting: 0, isOver: false, in: 0, out: 0 };
      this.#connections.set(socket, connection);
    }
    return connection;
  }

  /**
   * Closes a server: takes no more connections and requests, waits for those under way, at most for
   * `grace` milliseconds, then cuts what is left. Gives the number of requests that were cut.
   */
  async stop(server: Server, grace: number): Promise<number> {
    this.#stopping = true;
    const closed = once(server, "close");
    server.close();
    server.closeIdleConnections();
    for (const res of this.#answers.keys()) {
      if (!res.headersSent) res.setHeader("Connection", "close");
    }
    const graceOver = new AbortController();
    const { signal } = graceOver;
    await Promise.race([
      this.#allAnswered(),
      // A timer takes no more milliseconds than these.
      sleep(Math.min(grace, 2 ** 31 - 1), undefined, { signal }).catch(() => {}),
    ]);
    graceOver.abort();
    const cut = this.#answers.size;
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    // An upload that was cut is still clearing its temporary files away.
    await this.#allAnswered();
    return cut;
  }

  async #allAnswered(): Promise<void> {
    while (this.#answers.size > 0) await Promise.allSettled(this.#answers.values());
  }
}

/** Refusals that go past the answer, to a client too slow or unreadable, set its status all the same. */
function statusOf({ headersSent, statusCode }: ServerResponse): number | undefined {
  return headersSent || statusCode !== 200 ? statusCode : undefined;
}

/** Whether an answer ends its connection. */
function isLast(res: ServerResponse): boolean {
  return !res.shouldKeepAlive || res.getHeader("Connection") === "close";
}

/** When an answer is with the system, or the connection is gone. */
function whenOver(res: ServerResponse, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      res.off("close", over);
      socket.off("close", over);
      resolve();
    };
    res.on("close", over);
    socket.on("close", over);
    if (socket.destroyed) over();
  });
}

/** Other forms than a path may hold credentials: `ftp://user:password@host/`. */
function pathOf(req: IncomingMessage): string {
  const path = loggablePath(req).replace(/[?#].*$/s, "");
  return path.startsWith("/") || path === "*" ? path.slice(0, LONGEST_PATH) : "…";
}
