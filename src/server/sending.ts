import type { ServerResponse } from "node:http";

/**
 * Sends pieces as fast as the client takes them, and asks for the next one only when one is handed
 * to the system, so that their memory may be used again. Throws when the client is gone.
 */
export async function sendPieces(
  res: ServerResponse,
  pieces: AsyncIterable<Uint8Array | string>,
): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  // An answer that waits its turn on a connection has no socket yet, and hears of no close.
  const { socket } = res.req;
  res.once("close", onClose);
  socket.once("close", onClose);
  try {
    for await (const piece of pieces) {
      if (res.destroyed || socket.destroyed) gone.abort();
      gone.signal.throwIfAborted();
      await written(res, piece, gone.signal);
    }
    res.end();
  } finally {
    res.off("close", onClose);
    socket.off("close", onClose);
  }
}

async function written(
  res: ServerResponse,
  piece: Uint8Array | string,
  gone: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onGone = () => reject(gone.reason);
    gone.addEventListener("abort", onGone, { once: true });
    res.write(piece, (error) => {
      gone.removeEventListener("abort", onGone);
      if (error) reject(error);
      else resolve();
    });
  });
}
