import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { RestbackupError, systemCode } from "../errors.ts";
import { type Preference, preferredRefusal } from "./negotiation.ts";
import { pageHeaders } from "./page.ts";
import { messagePage } from "./page-message.ts";

/** Why a request is not done, in HTTP's terms. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** What an error means to the client; those that are the server's own fault say no more than that. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof RestbackupError) {
    // What a store was reading had to be refused.
    if (error.cause instanceof Refusal) return error.cause;
    if (error.code === "usage" || error.code === "store-refused") {
      return new Refusal(400, error.message);
    }
    if (error.code === "not-found") return new Refusal(404, "No such file.");
    if (error.code === "name-taken") {
      return new Refusal(405, `${error.message} Files cannot be replaced.`, { Allow: "GET, HEAD" });
    }
  }
  switch (systemCode(error instanceof RestbackupError ? error.cause : error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new Refusal(507, "The server's disk is full.");
    case "EMFILE":
    case "ENFILE":
    case "ENOMEM":
      return new Refusal(503, "The server is busy.", { "Retry-After": "5" });
    default:
      return new Refusal(500, "The server failed.");
  }
}

/** A page for browsers, problem details (RFC 9457) where JSON is asked for, else a line of text. */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
  const { headers, body } = inWords(refusal, preferredRefusal(req.headers.accept));
  const unread = hasBody(req) && !req.complete;
  res.writeHead(refusal.status, {
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store, private",
    Vary: "Accept",
    ...headers,
    ...refusal.headers,
    ...(unread ? { Connection: "close" } : {}),
  });
  if (!unread) {
    res.end(body);
    return;
  }
  res.write(body);
  lingerUntilRead(req, () => res.end());
}

/** Answers on a connection where there is no request to answer, and closes it. */
export function refuseOnSocket(
  socket: Duplex,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = `${STATUS_CODES[status]}\n`;
  const fields = {
    Date: new Date().toUTCString(),
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(body.length),
    "Cache-Control": "no-store, private",
    ...headers,
    Connection: "close",
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
  // Closed only when the client had time to read why, as below.
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLISECONDS);
  socket.once("close", () => clearTimeout(timer));
}

function inWords({ status, message }: Refusal, form: Preference) {
  if (form === "html") {
    const body = messagePage(status, message);
    return { headers: pageHeaders(body), body };
  }
  if (form === "text") {
    return { headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${message}\n` };
  }
  const title = STATUS_CODES[status];
  return {
    headers: { "Content-Type": "application/problem+json" },
    body: JSON.stringify({ type: "about:blank", title, status, detail: message }),
  };
}

function hasBody(req: IncomingMessage): boolean {
  return (
    req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"]) > 0
  );
}

const LINGER_MILLISECONDS = 5000;
const LINGER_BYTES = 64 * 1024 * 1024;

/**
 * Reads and drops what a client is still sending, for a while: closing with bytes unread makes the
 * system reset the connection, and the client may lose the answer (RFC 9112, 9.6).
 */
function lingerUntilRead(req: IncomingMessage, done: () => void): void {
  let left = LINGER_BYTES;
  let finished = false;
  const finish = () => {
    if (finished) return;
    finished = true;
    clearTimeout(timer);
    req.off("data", count);
    done();
  };
  const count = (piece: Buffer) => {
    left -= piece.length;
    if (left < 0) finish();
  };
  const timer = setTimeout(finish, LINGER_MILLISECONDS);
  req.on("data", count).on("end", finish).on("error", finish).on("close", finish);
  // Whoever began to read it may have left it paused.
  req.resume();
}
