import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { RestbackupError, systemCode } from "../errors.ts";

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

/** Problem details (RFC 9457) where JSON is asked for, else one line of text. */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
  const json = /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(req.headers.accept ?? "");
  const body = json
    ? JSON.stringify({
        type: "about:blank",
        title: STATUS_CODES[refusal.status],
        status: refusal.status,
        detail: refusal.message,
      })
    : `${refusal.message}\n`;
  const unread = hasBody(req) && !req.complete;
  res.writeHead(refusal.status, {
    "Content-Type": json ? "application/problem+json" : "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
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
}
