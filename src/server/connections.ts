import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A connection, by the raw socket, and how many requests on it are being answered. */
interface Connection {
  readonly socket: Socket;
  readonly forget: () => void;
  answering: number;
}

/**
 * Bounds a server's connections to `most`. For one more the one is closed that has waited longest
 * for its request to be complete, whether nothing comes on it, a header a byte at a time, or a TLS
 * handshake: whoever holds many connections loses theirs first, and who asks for something is
 * served. When a request is being answered on each, the new one is closed.
 */
export function boundConnections(server: Server, most: number): void {
  /** By what the raw socket and the TLS socket over it both know of themselves. */
  const connections = new Map<string, Connection>();
  /** Those without a request, the one that waits longest first. */
  const idle = new Set<Connection>();
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    const forget = () => {
      idle.delete(connection);
      if (connections.get(peer) === connection) connections.delete(peer);
    };
    const connection: Connection = { socket, forget, answering: 0 };
    if (connections.size >= most) {
      const [longest] = idle;
      if (longest === undefined) {
        socket.destroy();
        return;
      }
      longest.forget();
      longest.socket.destroy();
    }
    connections.set(peer, connection);
    idle.add(connection);
    socket.once("close", forget);
  });
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    const connection = connections.get(peerOf(req.socket));
    if (connection === undefined) return;
    connection.answering += 1;
    idle.delete(connection);
    res.once("close", () => {
      connection.answering -= 1;
      if (connection.answering === 0 && !connection.socket.destroyed) idle.add(connection);
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
