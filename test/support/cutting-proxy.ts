import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What happens to one connection. */
export interface Cut {
  /** Cut when this many bytes have gone to the server. */
  readonly afterUp?: number;
  /** Cut when this many bytes have come back to the client. */
  readonly afterDown?: number;
  /** Let the request through whole, and cut instead of passing any of the answer on. Plain HTTP only. */
  readonly swallowAnswer?: boolean;
  /** How the connection ends: reset, or closed as if all were said. Default: reset. */
  readonly how?: "reset" | "close";
  /** Milliseconds each piece waits, in both directions. */
  readonly delay?: number;
}

export interface CuttingProxy {
  readonly port: number;
  /** Connections that were cut, and all that there were; bytes that came back to clients. */
  readonly counts: { cut: number; connections: number; down: number };
  /** The same url, through this proxy. */
  through(url: string): string;
  close(): Promise<void>;
}

/**
 * A TCP proxy in front of a port of this machine that cuts connections. `plan` is asked once for
 * each connection, counted from 0; undefined lets it pass untouched.
 */
export async function startCuttingProxy(
  targetPort: number,
  plan: (connection: number) => Cut | undefined,
): Promise<CuttingProxy> {
  const counts = { cut: 0, connections: 0, down: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const cut = plan(counts.connections) ?? {};
    counts.connections += 1;
    const upstream = connect(targetPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      counts.cut += 1;
      for (const socket of [client, upstream]) {
        if (cut.how === "close") socket.end();
        else socket.resetAndDestroy();
      }
      // A socket that was only half closed would keep the other side's writes going.
      if (cut.how === "close") setTimeout(() => [client, upstream].map((s) => s.destroy()), 50);
    };
    const downLimit = cut.swallowAnswer === true ? 0 : cut.afterDown;
    void relay(client, upstream, cut.afterUp, cut.delay, end);
    upstream.on("data", (piece: Buffer) => {
      counts.down += piece.length;
    });
    void relay(upstream, client, downLimit, cut.delay, end);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    counts,
    through: (url) => url.replace(/(@|:\/\/)(127\.0\.0\.1|localhost):\d+/, `$1$2:${port}`),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Passes bytes on, up to and including byte `limit`, and then calls `end`. */
async function relay(
  from: Socket,
  to: Socket,
  limit: number | undefined,
  delay: number | undefined,
  end: () => void,
): Promise<void> {
  let passed = 0;
  try {
    for await (const piece of from as AsyncIterable<Buffer>) {
      if (delay !== undefined) await sleep(delay);
      const allowed = limit === undefined ? piece.length : Math.min(piece.length, limit - passed);
      passed += allowed;
      if (allowed > 0 && !to.write(piece.subarray(0, allowed))) {
        await Promise.race([once(to, "drain"), once(to, "close")]);
      }
      if (limit !== undefined && passed >= limit) {
        end();
        return;
      }
    }
    to.end();
  } catch {
    to.destroy();
  }
}
