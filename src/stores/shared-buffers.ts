/** Buffers have one size, so that all are of use to every transfer. */
const BUFFER_BYTES = 256 * 1024;
/** A transfer reads as much at once while there are few, since each read has its price. */
const MOST_AT_ONCE = 4;
/** Transfers that read more than one buffer at once have together no more than so many. */
const SHARED = 64;
/** More are made when needed, and not kept. */
const MOST_KEPT = 64;

const kept: Buffer[] = [];
let taken = 0;

/** Memory for the next bytes of a transfer, used over and over: for all of them, or the first part. */
export function takeBuffers(bytes: number): Buffer[] {
  const buffers: Buffer[] = [];
  for (let left = bytes; left > 0 && buffers.length < MOST_AT_ONCE; left -= BUFFER_BYTES) {
    if (buffers.length > 0 && taken >= SHARED) break;
    const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    taken += 1;
    buffers.push(buffer.subarray(0, Math.min(left, BUFFER_BYTES)));
  }
  return buffers;
}

/** Takes back buffers that nobody reads or writes any more. */
export function giveBuffers(buffers: readonly Buffer[]): void {
  for (const { buffer } of buffers) {
    taken -= 1;
    if (kept.length < MOST_KEPT) kept.push(Buffer.from(buffer));
  }
}
