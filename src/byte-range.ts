/**
 * Something of known size that can be read from any position: a file, a remote archive of several
 * volumes, the plaintext inside an age file. The reading path knows nothing else about its source,
 * so it runs wherever bytes can be had.
 */
export interface ByteRange {
  /** Length in bytes. */
  readonly size: number;
  /** Whether pieces are the reader's for good, memory and all. */
  readonly givesAway?: boolean;
  /**
   * The bytes from `start` (inclusive) to `end` (exclusive), in pieces of any size, in order. A
   * piece is the reader's until it asks for the next: the source may use its memory again.
   * Throws when fewer can be had: a reader never sees a short range as a complete one.
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
  /**
   * The same for sources of many small pieces: those that can be had without waiting together, made
   * one by one as they are asked for. Each group is to be read to its end before the next is asked for.
   */
  groups?(start: number, end: number): AsyncIterable<Iterable<Uint8Array>>;
}

/** What a source has between two positions, in groups of pieces if it has groups. */
export async function* groupsOf(
  source: ByteRange,
  start: number,
  end: number,
): AsyncGenerator<Iterable<Uint8Array>> {
  if (source.groups !== undefined) yield* source.groups(start, end);
  else for await (const piece of source.read(start, end)) yield [piece];
}

/** The pieces of groups, one after the other. */
export async function* piecesOf(
  groups: AsyncIterable<Iterable<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  for await (const group of groups) yield* group;
}

/** Reads a range whole into one buffer; meant for small ranges. */
export async function readBytes(source: ByteRange, start: number, end: number): Promise<Buffer> {
  const whole = Buffer.allocUnsafe(end - start);
  let filled = 0;
  for await (const piece of source.read(start, end)) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  if (filled !== whole.length) {
    throw new RangeError(`expected ${whole.length} bytes from ${start}, got ${filled}`);
  }
  return whole;
}
