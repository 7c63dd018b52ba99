import type { MessagePort } from "node:worker_threads";
import type { ByteRange } from "../byte-range.ts";
import { free } from "../memory.ts";

/** Reading a byte range that another thread has. */
export type RangeRequest =
  | {
      readonly type: "read";
      readonly id: number;
      readonly start: number;
      readonly end: number;
    }
  | { readonly type: "taken"; readonly id: number; readonly bytes: number }
  | { readonly type: "close"; readonly id: number };

export type RangeReply =
  | { readonly type: "piece"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly id: number };

/** Bytes sent ahead of what was taken. */
const WINDOW = 4 * 2 ** 20;
/** Bytes taken that are told of together: each message has the threads change places. */
const TOLD = WINDOW / 2;

interface Reading {
  /** Bytes sent and not taken yet, as far as is known. */
  ahead: number;
  wake?: () => void;
}

/** Serves a range to a worker; what reading throws goes to `onError`, as nothing more can be read. */
export class RangeServer {
  readonly #source: ByteRange;
  readonly #worker: Pick<MessagePort, "postMessage">;
  readonly #onError: (error: unknown) => void;
  readonly #readings = new Map<number, Reading>();
  readonly #serving = new Set<Promise<void>>();

  constructor(
    source: ByteRange,
    worker: Pick<MessagePort, "postMessage">,
    onError: (error: unknown) => void,
  ) {
    this.#source = source;
    this.#worker = worker;
    this.#onError = onError;
  }

  handle(request: RangeRequest): void {
    if (request.type === "read") {
      const serving = this.#serve(request).catch(this.#onError);
      this.#serving.add(serving);
      void serving.finally(() => this.#serving.delete(serving));
      return;
    }
    const reading = this.#readings.get(request.id);
    if (request.type === "close") this.#readings.delete(request.id);
    else if (reading !== undefined) reading.ahead -= request.bytes;
    reading?.wake?.();
  }

  /** Ends all readings, and waits until the source has closed what it read from. */
  async close(): Promise<void> {
    const readings = [...this.#readings.values()];
    this.#readings.clear();
    for (const { wake } of readings) wake?.();
    await Promise.all(this.#serving);
  }

  async #serve({ id, start, end }: RangeRequest & { type: "read" }): Promise<void> {
    const reading: Reading = { ahead: 0 };
    this.#readings.set(id, reading);
    for await (const piece of this.#source.read(start, end)) {
      while (reading.ahead >= WINDOW && this.#readings.has(id)) {
        await new Promise<void>((resolve) => {
          reading.wake = resolve;
        });
      }
      if (!this.#readings.has(id)) return;
      reading.ahead += piece.length;
      this.#send({ type: "piece", id, bytes: piece });
    }
    if (this.#readings.delete(id)) {
      this.#worker.postMessage({ type: "end", id } satisfies RangeReply);
    }
  }

  #send(reply: RangeReply & { type: "piece" }): void {
    const { buffer, byteLength } = reply.bytes;
    const alone = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    const detachable = this.#source.givesAway === true && alone;
    this.#worker.postMessage(reply, detachable ? [buffer] : []);
  }
}

/** The worker's side: a range whose bytes come through a port. */
export class RemoteRange implements ByteRange {
  readonly size: number;
  readonly #port: MessagePort;
  readonly #readings = new Map<number, { pieces: (Uint8Array | undefined)[]; wake?: () => void }>();
  #lastId = 0;

  constructor(size: number, port: MessagePort) {
    this.size = size;
    this.#port = port;
    port.on("message", (reply: RangeReply) => {
      const reading = this.#readings.get(reply.id);
      reading?.pieces.push(reply.type === "piece" ? reply.bytes : undefined);
      reading?.wake?.();
    });
  }

  async *read(start: number, end: number): AsyncGenerator<Uint8Array> {
    this.#lastId += 1;
    const id = this.#lastId;
    const reading: { pieces: (Uint8Array | undefined)[]; wake?: () => void } = { pieces: [] };
    this.#readings.set(id, reading);
    this.#send({ type: "read", id, start, end });
    let taken = 0;
    try {
      for (;;) {
        while (reading.pieces.length === 0) {
          await new Promise<void>((resolve) => {
            reading.wake = resolve;
          });
        }
        const piece = reading.pieces.shift();
        if (piece === undefined) return;
        taken += piece.length;
        if (taken >= TOLD) {
          this.#send({ type: "taken", id, bytes: taken });
          taken = 0;
        }
        yield piece;
        free(piece);
      }
    } finally {
      this.#readings.delete(id);
      this.#send({ type: "close", id });
    }
  }

  #send(request: RangeRequest): void {
    this.#port.postMessage(request);
  }
}
