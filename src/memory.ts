/**
 * Gives the memory of buffers back at once instead of at some later garbage collection, which
 * counts objects rather than the megabytes they hold. The buffers read as empty afterwards, so only
 * their one owner may do this. What lies in the shared pool of small buffers is left alone.
 */
export function free(...buffers: readonly Uint8Array[]): void {
  for (const bytes of buffers) {
    if (isOwn(bytes) && !bytes.buffer.detached) bytes.buffer.transfer(0);
  }
}

/** Bytes whose memory can be transferred to another thread: themselves, or a copy of what shares its memory. */
export function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isOwn(bytes) ? bytes : new Uint8Array(bytes);
}

function isOwn(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  if (!(buffer instanceof ArrayBuffer)) return false;
  // Node's HTTP parser gives each piece memory of its own, no larger than that pool.
  return byteLength === buffer.byteLength || buffer.byteLength > Buffer.poolSize;
}
