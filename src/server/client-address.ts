import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/**
 * The address a request comes from: the connection's, or behind a proxy the one that the proxy
 * appended to `X-Forwarded-For`. What stands before it in that field the client itself may have sent.
 */
export function clientAddress(req: IncomingMessage, behindTlsProxy: boolean): string {
  const peer = plainAddress(req.socket.remoteAddress ?? "");
  if (!behindTlsProxy) return peer;
  const forwarded = String(req.headers["x-forwarded-for"] ?? "");
  const last = plainAddress(forwarded.slice(forwarded.lastIndexOf(",") + 1).trim());
  return isIP(last) === 0 ? peer : last;
}

/** IPv4 in IPv6 as IPv4, an IPv6 address without brackets. */
function plainAddress(text: string): string {
  return text.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:(?=\d+\.)/i, "");
}

/** Whom an address belongs to: one customer or machine has a whole /64 of IPv6 (RFC 6177). */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.replace(/%.*$/, "").toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array.from({ length: zeros }, () => "0"), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
