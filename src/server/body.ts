import type { IncomingMessage, ServerResponse } from "node:http";
import type { Pace } from "./limits.ts";
import { refuseOnSocket } from "./refusal.ts";

/** A request and where it is answered. */
interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** How often in a window it is looked whether the window is over. */
const LOOKS = 6;

/** A request's content, at the pace that is asked for: see {@link atPace}. */
export function readBody(exchange: Exchange, pace: Pace): AsyncIterable<Buffer> {
  // Leaving a loop early must not close the socket: the client is to read why.
  const pieces = exchange.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  return atPace(pieces, exchange, pace);
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
