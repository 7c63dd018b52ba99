import { type ByteRange, readBytes } from "../byte-range.ts";

/** Bytes in each of the requests that are under way at once. */
const BLOCK = 2 * 2 ** 20;
const AT_ONCE = 3;
/** Read first, in one request, to see how fast the line is. */
const TRIAL = 8 * 2 ** 20;
/** Bytes a second from which on one request at a time is no slower, and needs less memory. */
const FAST = 32 * 2 ** 20;

export interface ParallelOptions {
  /** Whether the source can still be read in parts. */
  readonly possible: () => boolean;
  /** Bytes a second from which on reading stays as it was. */
  readonly fast?: number;
}

/**
 * The same bytes; on a slow line, long reads become several shorter ones under way at once, since a
 * server that is far away gives each but a part of what the line could carry.
 */
export function parallelRange(
  source: ByteRange,
  { possible, fast = FAST }: ParallelOptions,
): ByteRange {
  return {
    size: source.size,
    ...(source.givesAway === undefined ? {} : { givesAway: source.givesAway }),
    async *read(start, end) {
      const trialEnd = Math.min(start + TRIAL, end);
      const began = performance.now();
      yield* source.read(start, trialEnd);
      if (trialEnd === end) return;
      const speed = (trialEnd - start) / ((performance.now() - began) / 1000);
      if (speed >= fast || !possible()) yield* source.read(trialEnd, end);
      else yield* inParallel(source, trialEnd, end);
    },
  };
}

async function* inParallel(
  source: ByteRange,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
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
}
