import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { systemCode } from "../errors.ts";
import { refuseOnSocket } from "./refusal.ts";
import { refuseExpectation } from "./request-checks.ts";

/**
 * Answers what no request can be made of: what is not HTTP, too long, too slow, or a tunnel; and
 * expectations that nobody here can meet.
 */
export function refuseUnreadable(server: Server): void {
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>();
  const onRequest = ({ socket }: IncomingMessage, res: ServerResponse) => {
    const answers = unanswered.get(socket) ?? new Set();
    unanswered.set(socket, answers.add(res));
    res.once("close", () => answers.delete(res));
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  /** Lets the answers to earlier requests on the connection go out first. */
  const inTurn = (socket: Duplex, refuse: () => void) => {
    const answers = [...(unanswered.get(socket) ?? [])];
    const last = answers.at(-1);
    if (last === undefined) refuse();
    // What cannot be read may be the content of a request: that will never be complete.
    else if (!last.req.complete) cutOff(last, socket, refuse);
    else last.once("close", refuse);
  };
  server.on("clientError", (error: Error, socket: Duplex) => {
    socket.on("error", () => {});
    const code = systemCode(error) ?? "";
    // After a failed handshake nothing can be said.
    if (!socket.writable || !/^(?:HPE_|ERR_HTTP_)/.test(code)) socket.destroy();
    else inTurn(socket, () => refuseOnSocket(socket, STATUS_OF[code] ?? 400));
  });
  server.on("checkExpectation", refuseExpectation);
  server.on("connect", (_req: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => {});
    inTurn(socket, () => refuseOnSocket(socket, 405, { Allow: "GET, HEAD, PUT, POST" }));
  });
}

const STATUS_OF: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function cutOff(answer: ServerResponse, socket: Duplex, refuse: () => void): void {
  // Without its socket the answer to a still earlier request is on the way.
  if (answer.headersSent || answer.socket === null) socket.destroy();
  else {
    answer.statusCode = 400;
    refuse();
  }
}
