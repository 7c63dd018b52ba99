import type { IncomingMessage, ServerResponse } from "node:http";
import { Refusal, sendRefusal } from "./refusal.ts";

/**
 * Refuses what the parser lets pass and HTTP/1.1 does not (RFC 9112): another version, no `Host`, and
 * more than one, of which a proxy in front may have believed the other.
 */
export function checkRequest({ httpVersion, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    throw new Refusal(400, "HTTP/1.1 is spoken here.");
  }
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  const hosts = names.filter((name) => name.toLowerCase() === "host").length;
  if (hosts > 1) throw new Refusal(400, "There is more than one Host field.");
  if (hosts === 0 && httpVersion === "1.1") throw new Refusal(400, "A Host field is needed.");
}

/** Refuses an expectation that nobody here can meet (RFC 9110, 10.1.1). */
export function refuseExpectation(req: IncomingMessage, res: ServerResponse): void {
  sendRefusal(req, res, new Refusal(417, "Only 100-continue can be expected."));
}
