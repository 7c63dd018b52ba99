import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.ts";

/**
 * Refuses what the parser lets pass and HTTP/1.1 does not (RFC 9112): another version, and more than
 * one `Host`, of which a proxy in front may have believed the other.
 */
export function checkRequest({ httpVersion, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    throw new Refusal(400, "HTTP/1.1 is spoken here.");
  }
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  if (names.filter((name) => name.toLowerCase() === "host").length > 1) {
    throw new Refusal(400, "There is more than one Host field.");
  }
}
