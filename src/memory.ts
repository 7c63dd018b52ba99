/**
 * Gives the memory of buffers back at once instead of at some later garbage collection, which
 * counts objects rather than the megabytes they hold. The buffers read as empty afterwards, so only
 * their one owner may do this. What lies in the shared pool of small buffers is left alone.
 */
export function free(...buffers: readonly Uint8Array[]): void {
  for (const { buffer } of buffers) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
  }
}
