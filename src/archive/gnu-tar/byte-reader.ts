import { RestbackupError } from "../../errors.ts";

/** Takes exact amounts from pieces of any size. Holds one piece, and what is asked for at once. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Closes the source, for when reading stops early. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  /** Whether the source has ended. */
  async ended(): Promise<boolean> {
    while (this.#at === this.#piece.length) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return true;
      this.#piece = value;
      this.#at = 0;
    }
    return false;
  }

  /** Exactly `length` bytes, the reader's until the next call. Throws `damaged` when there are fewer. */
  async read(length: number): Promise<Buffer> {
    if (await this.ended()) {
      if (length > 0) throw endsEarly();
      return Buffer.alloc(0);
    }
    if (this.#piece.length - this.#at >= length) return this.#next(length);
    const parts: Buffer[] = [];
    for await (const part of this.take(length)) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  }

  /** The same in pieces as they come, for lengths that are not held whole. */
  async *take(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (await this.ended()) throw endsEarly();
      const part = this.#next(Math.min(left, this.#piece.length - this.#at));
      left -= part.length;
      yield part;
    }
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if (await this.ended()) throw endsEarly();
      left -= this.#next(Math.min(left, this.#piece.length - this.#at)).length;
    }
  }

  /** Reads what is left and forgets it: checks at the source's end are made then. */
  async drain(): Promise<void> {
    while (!(await this.ended())) this.#at = this.#piece.length;
  }

  #next(length: number): Buffer {
    const { buffer, byteOffset } = this.#piece;
    const part = Buffer.from(buffer, byteOffset + this.#at, length);
    this.#at += length;
    return part;
  }
}

function endsEarly(): RestbackupError {
  return new RestbackupError("damaged", "The archive ends before its end: it was cut off.");
}
