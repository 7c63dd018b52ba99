import { randomBytes } from "node:crypto";
import { MessageChannel } from "node:worker_threads";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { RangeServer, RemoteRange } from "../../src/archive/remote-range.ts";
import { type ByteRange, readBytes } from "../../src/byte-range.ts";

const content = randomBytes(20 * 2 ** 20);

/** `content` in pieces of the given sizes, again and again; counts its readings, and those that ended. */
class Source implements ByteRange {
  readonly size = content.length;
  readonly givesAway: boolean;
  readonly #sizes: readonly number[];
  begun = 0;
  ended = 0;
  given = 0;

  constructor(sizes: readonly number[], givesAway: boolean) {
    this.#sizes = sizes;
    this.givesAway = givesAway;
  }

  async *read(start: number, end: number): AsyncGenerator<Uint8Array> {
    this.begun += 1;
    try {
      const shared = Buffer.alloc(Math.max(...this.#sizes));
      for (let at = start, turn = 0; at < end; turn++) {
        const length = Math.min(this.#sizes[turn % this.#sizes.length]!, end - at);
        // Memory that is used again, unless it is given away.
        const piece = this.givesAway ? Buffer.allocUnsafeSlow(length) : shared.subarray(0, length);
        content.copy(piece, 0, at, at + length);
        at += length;
        this.given += length;
        yield piece;
        if (turn % 64 === 0) await new Promise(setImmediate);
      }
    } finally {
      this.ended += 1;
    }
  }
}

function remote(source: Source): { range: RemoteRange; server: RangeServer; failed: unknown[] } {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const failed: unknown[] = [];
  const server = new RangeServer(source, port1, (error) => failed.push(error));
  port1.on("message", (request) => server.handle(request));
  return { range: new RemoteRange(source.size, port2), server, failed };
}

test("another thread reads what the source has, whatever its pieces", async () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 20_000 }),
    fc.integer({ min: 2 ** 17, max: 2 ** 20 }),
    fc.constantFrom(2 ** 18 - 1, 2 ** 18, 2 ** 19 - 1, 2 ** 19, 2 ** 19 + 1),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(size, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      fc.nat(content.length),
      fc.nat(6 * 2 ** 20),
      async (sizes, givesAway, start, length) => {
        const source = new Source(
          sizes.map((one) => Math.max(one, 500)),
          givesAway,
        );
        const { range, failed } = remote(source);
        const end = Math.min(start + length, content.length);
        const read = await readBytes(range, start, end);
        expect(read.equals(content.subarray(start, end))).toBe(true);
        expect(failed).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});

test("no more is read than the reader has room for, and nothing after it leaves", async () => {
  for (const sizes of [[16_384], [2 ** 20]]) {
    const source = new Source(sizes, true);
    const { range, server } = remote(source);
    let read = 0;
    for await (const piece of range.read(0, content.length)) {
      read += piece.length;
      await new Promise((resolve) => setTimeout(resolve, 5));
      // The window, what was not told of yet, and a block in the making.
      expect(source.given - read).toBeLessThanOrEqual(2 ** 20 * 7);
      if (read > 2 ** 23) break;
    }
    await server.close();
    expect(source.ended).toBe(1);
    expect(source.given).toBeLessThan(content.length);
  }
});

test("what the source throws ends the reading", async () => {
  const failing: ByteRange = {
    size: 10,
    // biome-ignore lint/correctness/useYield: it fails before
    async *read() {
      throw new Error("gone");
    },
  };
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const failure = Promise.withResolvers<unknown>();
  const server = new RangeServer(failing, port1, failure.resolve);
  port1.on("message", (request) => server.handle(request));
  const reading = readBytes(new RemoteRange(10, port2), 0, 10);
  reading.catch(() => {});
  expect(await failure.promise).toMatchObject({ message: "gone" });
});
