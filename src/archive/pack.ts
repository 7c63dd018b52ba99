import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import { type ErrorCode, RestbackupError } from "../errors.ts";
import { free } from "../memory.ts";
import type { ContentsWarning } from "./contents.ts";
import { compressFrame, FRAME_SIZE, frameInPieces } from "./frame.ts";
import type { PackedSegment, PackTotals } from "./packer.ts";
import type { Selection } from "./selection.ts";
import { startWorker } from "./worker.ts";

/** Where packed parts come from; may be handed to another thread. */
export interface PackSource {
  readonly buffers: readonly SharedArrayBuffer[];
  /** A cell for each buffer, and one that counts releases. */
  readonly slots: SharedArrayBuffer;
  /** Where each {@link PackReply} comes. */
  readonly port: MessagePort;
}

/** What the packing worker is started with. */
export interface PackRequest extends PackSource {
  readonly selection: Selection;
}

export type PackReply =
  | { readonly type: "frame"; readonly slot: number; readonly length: number }
  | { readonly type: "segment"; readonly segment: PackedSegment }
  | { readonly type: "warning"; readonly warning: ContentsWarning }
  | { readonly type: "done"; readonly totals: PackTotals }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

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

/** Frame buffers in turn: one being read into, and as many as can be compressed meanwhile. */
const BUFFERS = 4;

/** Packs a selection in a worker, which begins at once. */
export function startPacking(selection: Selection): { worker: Worker; source: PackSource } {
  const slots = new SharedArrayBuffer(4 * (BUFFERS + 1));
  const buffers = Array.from({ length: BUFFERS }, () => new SharedArrayBuffer(FRAME_SIZE));
  const { port1, port2 } = new MessageChannel();
  const request: PackRequest = { selection, buffers, slots, port: port1 };
  const worker = startWorker("pack-worker", request, [port1]);
  return { worker, source: { buffers, slots, port: port2 } };
}

/**
 * What is packed, its frames compressed on the thread pool, several at once. Nothing runs ahead of
 * the consumer by more than a few frames. Throws `io` for what cannot be read.
 */
export function packedParts(
  { buffers, slots, port }: PackSource,
  level: number,
): AsyncGenerator<Packed> {
  const state = new Int32Array(slots);
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
        break;
      }
      case "segment":
        push(
          compressFrame(reply.segment.lines, level).then((frame): Packed => {
            const compressed = Buffer.from(frame);
            free(frame);
            return { type: "segment", segment: reply.segment, compressed };
          }),
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
        if (part.type === "frame") free(...part.pieces);
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
  Atomics.store(state, slot, 0);
  Atomics.add(state, BUFFERS, 1);
  Atomics.notify(state, BUFFERS);
}
