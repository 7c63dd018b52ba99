import { Duplex } from "node:stream";

/**
 * One step of a pipeline: takes bytes, gives bytes. All encrypting, verifying and decrypting
 * functions are such steps once their key is filled in.
 */
export type StreamStep = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/**
 * A step as a Node stream, for `pipe` and event listeners. `pipeline` of `node:stream/promises`
 * takes the step itself.
 *
 * @example
 * ```ts
 * import { nodeTransform, verifyChlorocrypt } from "restbackup";
 * import { createReadStream, createWriteStream } from "node:fs";
 * import { pipeline } from "node:stream/promises";
 *
 * await pipeline(
 *   createReadStream("old.tar.gz.chlorocrypt"),
 *   nodeTransform((source) => verifyChlorocrypt(source, "correct horse battery staple")),
 *   createWriteStream("verified-copy"),
 * );
 * ```
 */
export function nodeTransform(step: StreamStep): Duplex {
  return Duplex.from(step);
}

/**
 * A step as a pair of web streams, for `pipeThrough`. Cancelling the readable side, or a step that
 * throws, makes the writable side fail.
 *
 * @example
 * ```ts
 * import { decryptChlorocrypt, webTransform } from "restbackup";
 * import { openAsBlob } from "node:fs";
 *
 * const file = await openAsBlob("old.tar.gz.chlorocrypt");
 * const plaintext = file
 *   .stream()
 *   .pipeThrough(webTransform((source) => decryptChlorocrypt(source, "correct horse battery staple")));
 * console.log((await new Response(plaintext).arrayBuffer()).byteLength);
 * ```
 */
export function webTransform(step: StreamStep): ReadableWritablePair<Uint8Array, Uint8Array> {
  let input: TransformStreamDefaultController<Uint8Array>;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start(controller) {
      input = controller;
    },
  });
  const output = step(readable)[Symbol.asyncIterator]();
  return {
    writable,
    readable: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const next = await output.next();
          if (next.done === true) controller.close();
          else controller.enqueue(next.value);
        },
        async cancel(reason) {
          // The step may be waiting for bytes that will never come: that makes it give up.
          const gone = reason ?? new Error("The reader has left.");
          input.error(gone);
          try {
            await output.return?.();
          } catch (error) {
            // A step that was not waiting meets it only now, and the reader who left knows.
            if (error !== gone) throw error;
          }
        },
      },
      { highWaterMark: 0 },
    ),
  };
}
