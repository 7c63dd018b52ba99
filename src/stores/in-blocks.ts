/** Bytes handed on together. */
const BLOCK = 512 * 2 ** 10;
/** Pieces that are handed on as they are. */
const LARGE = BLOCK / 2;
/** What came is not held back for longer while more comes, so that a slow line shows what it does. */
const LONGEST_MS = 100;

/**
 * Puts the small pieces that come over a network together, since each step they take costs more than
 * copying them: TLS has some of at most 16 KiB. What came before a failure comes before it here too.
 *
 * @param length in bytes, where it is known.
 */
export async function* inBlocks(
  pieces: AsyncIterable<Uint8Array>,
  length: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = length ?? Number.POSITIVE_INFINITY;
  let block = Buffer.alloc(0);
  let filled = 0;
  let begun = 0;
  try {
    for await (const piece of pieces) {
      left -= piece.length;
      if (filled === 0 && piece.length >= LARGE) {
        yield piece;
        continue;
      }
      for (let at = 0; at < piece.length; ) {
        if (filled === 0) {
          // More than was announced is for others to refuse.
          block = Buffer.allocUnsafeSlow(Math.min(BLOCK, piece.length - at + Math.max(left, 0)));
          begun = performance.now();
        }
        const part = piece.subarray(at, at + block.length - filled);
        block.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < block.length && performance.now() - begun < LONGEST_MS) continue;
        const full = block.subarray(0, filled);
        filled = 0;
        yield full;
      }
    }
  } catch (error) {
    if (filled > 0) yield block.subarray(0, filled);
    throw error;
  }
  if (filled > 0) yield block.subarray(0, filled);
}
