import { once } from "node:events";
import type { ServerResponse } from "node:http";

/** Sends pieces as fast as the client takes them; throws when the client is gone. */
export async function sendPieces(
  res: ServerResponse,
  pieces: AsyncIterable<Uint8Array | string>,
): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  res.once("close", onClose);
  try {
    for await (const piece of pieces) {
      if (res.destroyed) gone.abort();
      gone.signal.throwIfAborted();
      if (!res.write(piece)) await once(res, "drain", { signal: gone.signal });
    }
    res.end();
  } finally {
    res.off("close", onClose);
  }
}
