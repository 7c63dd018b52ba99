import type { IncomingMessage } from "node:http";

/** Runs something slow during which an idle socket is nobody's fault. */
export async function withoutTimeout<T>(req: IncomingMessage, run: () => Promise<T>): Promise<T> {
  const timeout = req.socket.timeout ?? 0;
  req.socket.setTimeout(0);
  try {
    return await run();
  } finally {
    req.socket.setTimeout(timeout);
  }
}
