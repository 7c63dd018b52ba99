/** Bytes in one read: what the next transfer reads while the last one is being sent. */
const BUFFER_BYTES = 256 * 1024;
/** More are made when needed, and not kept. */
const MOST_KEPT = 64;

const kept: Buffer[] = [];

/** Memory for one piece of a transfer, used over and over. */
export function takeBuffer(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

/** Takes back a buffer that nobody reads or writes any more. */
export function giveBuffer(buffer: Buffer): void {
  if (kept.length < MOST_KEPT) kept.push(buffer);
}
