import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { isLoopback } from "./listen-address.ts";
import { Refusal } from "./refusal.ts";

/** A host name, IPv4 address or IPv6 address in brackets, and a port. */
const HOST = /^(?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/**
 * The server as the client reached it: `https://backup.example:8443`. Behind a proxy that does TLS
 * the proxy may say otherwise with `X-Forwarded-Proto`; anybody else's word is not taken.
 * Throws a refusal (400) when the `Host` field holds no host.
 */
export function originOf(req: IncomingMessage, behindTlsProxy: boolean): string {
  const host = hostOf(req);
  return `${isSecure(req, host, behindTlsProxy) ? "https" : "http"}://${host}`;
}

function hostOf(req: IncomingMessage): string {
  const { host } = req.headers;
  // HTTP/1.0 needs no Host field; the address that was connected to serves as well.
  if (host === undefined) {
    const { localAddress = "127.0.0.1", localPort } = req.socket;
    return `${localAddress.includes(":") ? `[${localAddress}]` : localAddress}:${localPort}`;
  }
  if (host.length > 255 || !HOST.test(host) || !URL.canParse(`http://${host}`)) {
    throw new Refusal(400, "The Host field holds no host.");
  }
  return host.toLowerCase();
}

function isSecure(req: IncomingMessage, host: string, behindTlsProxy: boolean): boolean {
  if ((req.socket as TLSSocket).encrypted === true) return true;
  if (behindTlsProxy) {
    const forwarded = String(req.headers["x-forwarded-proto"] ?? "").trim();
    return !/^http$/i.test(forwarded);
  }
  // Plain HTTP is served on loopback only: under any other name a proxy was asked, and does TLS.
  return !isLoopback(host.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
}
