import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import type { ErrorCode } from "../errors.ts";
import type { ContentsWarning } from "./contents.ts";
import { FRAME_SIZE } from "./frame-settings.ts";
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
  | {
      readonly type: "frame";
      readonly slot: number;
      readonly length: number;
      /** Digests to be made of it (`digests.ts`). */
      readonly wanted: Uint32Array;
    }
  | { readonly type: "segment"; readonly segment: PackedSegment }
  | { readonly type: "warning"; readonly warning: ContentsWarning }
  | { readonly type: "done"; readonly totals: PackTotals }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** Frame buffers in turn: one being read into, and as many as can be compressed meanwhile. */
const BUFFERS = 6;

/** Packs a selection in a worker, which begins at once. */
export function startPacking(selection: Selection): { worker: Worker; source: PackSource } {
  const slots = new SharedArrayBuffer(4 * (BUFFERS + 1));
  const buffers = Array.from({ length: BUFFERS }, () => new SharedArrayBuffer(FRAME_SIZE));
  const { port1, port2 } = new MessageChannel();
  const request: PackRequest = { selection, buffers, slots, port: port1 };
  const worker = startWorker("pack-worker", request, [port1]);
  return { worker, source: { buffers, slots, port: port2 } };
}
