import { createHash } from "node:crypto";

/** SHA-256 of a stream as 64 lower-case hex digits. */
export async function sha256Of(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}
