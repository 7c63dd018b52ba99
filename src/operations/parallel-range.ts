import { type ByteRange, readBytes } from "../byte-range.ts";

/** Bytes in each request. */
const BLOCK = 4 * 2 ** 20;
/** Requests under way at once; the bytes of one more may be with the reader. */
const AT_ONCE = 3;
/** Reads up to this length are one request. */
const WHOLE = 2 * BLOCK;

/**
 * The same bytes, long reads as several shorter ones under way at once: a connection that is far
 * away gives each but a part of what the line could carry. Not done while `worthwhile` denies it.
 */
export function parallelRange(source: ByteRange, worthwhile: () => boolean): ByteRange {
  return {
    size: source.size,
    givesAway: true,
    async *read(start, end) {
      if (end - start <= WHOLE || !worthwhile()) {
        yield* source.read(start, end);
        return;
      }
      const pending: Promise<Buffer>[] = [];
      let next = start;
      try {
        while (next < end || pending.length > 0) {
          for (; next < end && pending.length < AT_ONCE; next += BLOCK) {
            const block = readBytes(source, next, Math.min(next + BLOCK, end));
            // Awaited in turn; until then its failure is not an unhandled one.
            block.catch(() => {});
            pending.push(block);
          }
          yield await pending.shift()!;
        }
      } finally {
        await Promise.allSettled(pending);
      }
    },
  };
}
