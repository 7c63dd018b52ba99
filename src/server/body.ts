import type { IncomingMessage, ServerResponse } from "node:http";
import { finished } from "node:stream";
import { free } from "../memory.ts";
import type { Pace } from "./limits.ts";
import { refuseOnSocket } from "./refusal.ts";

/** A request and where it is answered. */
interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** How often in a window it is looked whether the window is over. */
const LOOKS = 6;

/** What bodies that are being read gather together, each an equal share, and of few of them. */
const GATHERED_BYTES = 16 * 1024 * 1024;
const MOST_BYTES = 1024 * 1024;
/** A client may send single bytes, and each piece has a few hundred of its own. */
const MOST_PIECES = 128;

let bodies = 0;

/**
 * A request's content in batches of pieces, at the pace that is asked for: see {@link atPace}. A batch
 * is the caller's until it asks for the next one, which is gathered meanwhile.
 */
export function readBody(exchange: Exchange, pace: Pace): AsyncIterable<readonly Buffer[]> {
  return atPace(batchesOf(exchange.req), exchange, pace);
}

/**
 * Large batches: taking one costs turns of the event loop and of the file threads, which for each piece
 * (64 KiB at most, 16 KiB under TLS) would be more than the digest (docs/decisions/0023-few-turns.md).
 */
async function* batchesOf(
  req: IncomingMessage,
): AsyncGenerator<readonly Buffer[], void, undefined> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let over: { readonly error: Error | null | undefined } | undefined;
  let wake = () => {};
  let isFull = false;
  const gather = (piece: Buffer) => {
    batch.push(piece);
    bytes += piece.length;
    const share = Math.min(MOST_BYTES, GATHERED_BYTES / bodies);
    if (bytes < share && batch.length < MOST_PIECES) return;
    isFull = true;
    req.pause();
    wake();
  };
  bodies += 1;
  const forget = finished(req, { writable: false }, (error) => {
    over = { error };
    wake();
  });
  req.on("data", gather);
  try {
    for (;;) {
      while (over === undefined && !isFull) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (over?.error) throw over.error;
      if (batch.length === 0) return;
      const gathered = batch;
      batch = [];
      bytes = 0;
      isFull = false;
      req.resume();
      yield gathered;
      free(...gathered);
    }
  } finally {
    bodies -= 1;
    forget();
    // Leaving early must not close the socket: the client is to read why.
    req.off("data", gather).pause();
  }
}

/**
 * Pieces of a request's content. A client that keeps the server waiting is cut with 408 when fewer
 * bytes come in a window than `pace` asks for. Only the time counts in which the server waits for
 * the client: how long the disk takes, or another request, is not the client's doing.
 */
async function* atPace<Piece>(
  pieces: AsyncIterable<Piece>,
  exchange: Exchange,
  pace: Pace,
): AsyncGenerator<Piece, void, undefined> {
  const { socket } = exchange.req;
  let bytesBefore = socket.bytesRead;
  /** In this window, until the wait that is going on. */
  let waited = 0;
  let waitingSince: number | undefined = performance.now();
  const look = setInterval(() => {
    const waiting = waitingSince === undefined ? 0 : performance.now() - waitingSince;
    if (waited + waiting < pace.window) return;
    // What came on the socket counts, and not what is handed on: pieces may be big.
    if (socket.bytesRead - bytesBefore < pace.bytes) {
      clearInterval(look);
      cut(exchange);
    }
    bytesBefore = socket.bytesRead;
    waited = -waiting;
  }, pace.window / LOOKS);
  try {
    for await (const piece of pieces) {
      waited += performance.now() - waitingSince;
      waitingSince = undefined;
      yield piece;
      waitingSince = performance.now();
    }
  } finally {
    clearInterval(look);
  }
}

/** Ends the connection, and with it the request's content; whoever reads that sees it fail. */
function cut({ req, res }: Exchange): void {
  res.statusCode = 408;
  // Without its socket the answer to an earlier request is still on the way.
  if (res.socket === null || res.headersSent) req.socket.destroy();
  else refuseOnSocket(req.socket, 408);
}
