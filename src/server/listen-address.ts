import { RestbackupError } from "../errors.ts";

/** Where to listen: a host name or address, and a port, 0 for any that is free. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT`, an IPv6 address in brackets. Throws `usage`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new RestbackupError("usage", "The address to listen on is not HOST:PORT.", {
      hint: "Write for example 127.0.0.1:8080, or [::]:443 for every address.",
    });
  }
  return { host, port };
}

/** Whether only this machine can connect there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** `http://127.0.0.1:8080/`, an IPv6 address in brackets. */
export function urlOf(scheme: "http" | "https", host: string, port: number): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}
