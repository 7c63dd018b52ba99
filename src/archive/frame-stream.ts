import { availableParallelism } from "node:os";
import type { TransformOptions } from "node:stream";
import zlib from "node:zlib";
import { DEFAULT_LEVEL } from "./frame-settings.ts";

/** Output gathered in one piece of memory. */
const CHUNK = 512 * 1024;
/** Of libuv's pool. */
const THREADS = 4;
/** Frames compressed at once: one for each core, and one that waits for the first of them to be free. */
const PARALLEL = Math.min(THREADS, availableParallelism()) + 1;

const { ZSTD_c_compressionLevel, ZSTD_c_hashLog, ZSTD_c_chainLog, ZSTD_e_end } = zlib.constants;

/**
 * zstd's own, but for the default level: with tables small enough for the cache next to a core, frames
 * of 2 MiB compress as well and faster (docs/decisions/0020).
 */
function parameters(level: number): Record<number, number> {
  if (level !== DEFAULT_LEVEL) return { [ZSTD_c_compressionLevel]: level };
  return { [ZSTD_c_compressionLevel]: level, [ZSTD_c_hashLog]: 15, [ZSTD_c_chainLog]: 14 };
}

/**
 * Makes frame after frame with one zstd context, on libuv's thread pool: a new context for each takes
 * as much memory anew, which the kernel has to clear.
 */
class FrameStream {
  readonly #stream: zlib.ZstdCompress;
  #pieces: Buffer[] = [];

  constructor(level: number) {
    const options: zlib.ZstdOptions & Pick<TransformOptions, "readableHighWaterMark"> = {
      params: parameters(level),
      // What is written at once is a frame, which says how long its content is.
      flush: ZSTD_e_end,
      chunkSize: CHUNK,
      // Nothing waits for a reader: what comes is taken at once.
      readableHighWaterMark: Number.MAX_SAFE_INTEGER,
    };
    this.#stream = zlib.createZstdCompress(options);
    this.#stream.on("data", (piece: Buffer) => this.#pieces.push(piece));
  }

  /** The frame, in pieces. One at a time. */
  frame(content: Uint8Array): Promise<Buffer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
    this.#stream.write(content, (error) => {
      const pieces = this.#pieces;
      this.#pieces = [];
      if (error) reject(error);
      else resolve(pieces);
    });
    return promise;
  }
}

/** Frames of one level, several at once, begun in the order they are asked for. */
class FrameStreams {
  readonly #level: number;
  readonly #idle: FrameStream[] = [];
  readonly #waiting: ((stream: FrameStream) => void)[] = [];
  #made = 0;

  constructor(level: number) {
    this.#level = level;
  }

  async frame(content: Uint8Array): Promise<Buffer[]> {
    const stream = this.#idle.pop() ?? (await this.#next());
    try {
      return await stream.frame(content);
    } finally {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#idle.push(stream);
      else waiting(stream);
    }
  }

  #next(): FrameStream | Promise<FrameStream> {
    if (this.#made < PARALLEL) {
      this.#made += 1;
      return new FrameStream(this.#level);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

const streams = new Map<number, FrameStreams>();

/**
 * What zstd makes of content, in pieces: a frame, and where that happens to end with a piece, perhaps
 * an empty frame after it.
 */
export function compressed(content: Uint8Array, level: number): Promise<Buffer[]> {
  let those = streams.get(level);
  if (those === undefined) {
    those = new FrameStreams(level);
    streams.set(level, those);
  }
  return those.frame(content);
}
