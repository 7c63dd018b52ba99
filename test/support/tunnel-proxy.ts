import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";

export interface TunnelProxy {
  readonly port: number;
  /** Where each tunnel went, `HOST:PORT`. */
  readonly tunnels: string[];
  close(): Promise<void>;
}

/**
 * An HTTP proxy as a company puts before its runners: it lets nothing through but `CONNECT` by who
 * knows `user:password`. Names of hosts resolve to this machine behind it, and only there.
 */
export async function startTunnelProxy(login: string): Promise<TunnelProxy> {
  const tunnels: string[] = [];
  const open = new Set<Duplex>();
  const expected = `Basic ${Buffer.from(login).toString("base64")}`;
  const server = createServer((_, answer) => {
    answer.statusCode = 403;
    answer.end("CONNECT only");
  });
  server.on("connect", (request, socket, head) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    if (request.headers["proxy-authorization"] !== expected) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    tunnels.push(request.url!);
    const upstream = connect(Number(request.url!.split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    tunnels,
    async close() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
