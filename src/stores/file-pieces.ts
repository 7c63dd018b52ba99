import { open } from "node:fs/promises";

/** More than sockets take before they ask for a pause. */
const PIECE = 256 * 1024;
const BUFFERS = 3;

/**
 * The content of a file in pieces, read into the same few buffers again and again: left to the
 * collector, they would pile up by the hundred megabytes. A piece is good until the one after the
 * next is asked for: long enough for a socket, which has sent all of one before it takes another.
 */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path);
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(PIECE));
  for (let turn = 0; ; turn = (turn + 1) % BUFFERS) {
    const buffer = buffers[turn]!;
    const { bytesRead } = await file.read(buffer, 0, PIECE, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
