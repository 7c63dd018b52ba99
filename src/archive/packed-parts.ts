import { RestbackupError } from "../errors.ts";
import type { ContentsWarning } from "./contents.ts";
import { Digester } from "./digests.ts";
import { compressFrame, frameInPieces } from "./frame.ts";
import type { PackReply, PackSource } from "./pack.ts";
import type { PackedSegment, PackTotals } from "./packer.ts";

/** The packed tree, part by part, in archive order. */
export type Packed =
  | {
      readonly type: "frame";
      /** One zstd frame; its memory is the consumer's until it asks for the next part. */
      readonly pieces: readonly Buffer[];
      readonly decompressed: number;
    }
  | { readonly type: "segment"; readonly segment: PackedSegment; readonly compressed: Buffer }
  | { readonly type: "warning"; readonly warning: ContentsWarning }
  | { readonly type: "done"; readonly totals: PackTotals };

/**
 * What is packed, its frames compressed on the thread pool, several at once, while digests that the
 * packer left are made here. Nothing runs ahead of the consumer by more than a few frames. Throws
 * `io` for what cannot be read.
 */
export function packedParts(
  { buffers, slots, port }: PackSource,
  level: number,
): AsyncGenerator<Packed> {
  const state = new Int32Array(slots);
  const digester = new Digester();
  // Parts in order, each perhaps still being compressed.
  const queue: { readonly part: Promise<Packed>; readonly slot?: number }[] = [];
  let wake: (() => void) | undefined;
  const push = (part: Promise<Packed>, slot?: number): void => {
    // Awaited in turn below; until then its failure is not an unhandled one.
    part.catch(() => {});
    queue.push(slot === undefined ? { part } : { part, slot });
    wake?.();
  };

  port.on("message", (reply: PackReply) => {
    switch (reply.type) {
      case "frame": {
        const content = new Uint8Array(buffers[reply.slot]!, 0, reply.length);
        push(
          frameInPieces(content, level).then(
            (pieces): Packed => ({ type: "frame", pieces, decompressed: reply.length }),
          ),
          reply.slot,
        );
        // While it is compressed; it stays where it is until it is taken.
        digester.frame(content, reply.wanted);
        break;
      }
      case "segment":
        digester.segment(reply.segment);
        push(
          compressFrame(reply.segment.lines, level).then(
            (compressed): Packed => ({ type: "segment", segment: reply.segment, compressed }),
          ),
        );
        break;
      case "failed":
        push(
          Promise.reject(
            new RestbackupError(reply.code, reply.message, {
              ...(reply.hint === undefined ? {} : { hint: reply.hint }),
            }),
          ),
        );
        break;
      default:
        push(Promise.resolve(reply));
    }
  });
  async function* parts(): AsyncGenerator<Packed> {
    try {
      for (;;) {
        const next = queue.shift();
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
          continue;
        }
        const part = await next.part;
        yield part;
        // Only now: a stored frame is a view, and a slow consumer is to slow the reading down.
        if (next.slot !== undefined) release(state, next.slot);
        if (part.type === "done") return;
      }
    } finally {
      port.close();
    }
  }
  return parts();
}

function release(state: Int32Array, slot: number): void {
  const releases = state.length - 1;
  Atomics.store(state, slot, 0);
  Atomics.add(state, releases, 1);
  Atomics.notify(state, releases);
}
