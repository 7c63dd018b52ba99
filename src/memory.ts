import { setFlagsFromString } from "node:v8";

/**
 * Gives the memory of buffers back at once instead of at some later garbage collection, which
 * counts objects rather than the megabytes they hold. The buffers read as empty afterwards, so only
 * their one owner may do this. What lies in the shared pool of small buffers is left alone.
 */
export function free(...buffers: readonly Uint8Array[]): void {
  for (const { buffer, byteLength } of buffers) {
    if (!(buffer instanceof ArrayBuffer) || buffer.detached) continue;
    // Node's HTTP parser gives each piece memory of its own, no larger than that pool.
    const isOwn = byteLength === buffer.byteLength || buffer.byteLength > Buffer.poolSize;
    if (isOwn) buffer.transfer(0);
  }
}

/**
 * For a process that passes data on all its life: has short-lived buffers collected before they pile
 * up. Their memory is not counted where new objects are made, and room for those would grow until it
 * holds the remains of a hundred megabytes. Only before much has been allocated does it help.
 */
export function collectOften(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * For a process that restores once: lets the heaps of the threads it starts grow to 64 MB before the
 * first full collection, where every few frames' buffers would bring one about. Takes some 20 MB.
 */
export function collectSeldom(): void {
  setFlagsFromString("--initial-heap-size=64");
}
