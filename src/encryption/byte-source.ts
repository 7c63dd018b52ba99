/** Bytes in pieces of any size, in order: a Node stream, a web stream, an array of buffers. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
