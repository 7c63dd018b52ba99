import { RestbackupError } from "../errors.ts";
import type { PackReply, PackRequest } from "./pack.ts";
import { Packer, type PackSink } from "./packer.ts";
import { received } from "./worker.ts";

/**
 * The reading half of a backup, in a worker: fills shared frame buffers and says so. `slots` tells
 * for each buffer whether it is free (0) or in use (1); the packer sleeps while none is.
 */

const { selection, buffers, slots, port } = await received<PackRequest>();
const state = new Int32Array(slots);
const frames = buffers.map((buffer) => new Uint8Array(buffer));
let current = 0;

function reply(message: PackReply): void {
  port.postMessage(message);
}

const sink: PackSink = {
  nextFrame() {
    for (;;) {
      const free = frames.findIndex((_, slot) => Atomics.load(state, slot) === 0);
      if (free >= 0) {
        current = free;
        Atomics.store(state, free, 1);
        return frames[free]!;
      }
      // The last cell counts releases: wait until it moves, unless it did since we looked.
      const releases = Atomics.load(state, frames.length);
      if (frames.some((_, slot) => Atomics.load(state, slot) === 0)) continue;
      Atomics.wait(state, frames.length, releases);
    }
  },
  frame(length, wanted) {
    reply({ type: "frame", slot: current, length, wanted });
  },
  segment(segment) {
    port.postMessage({ type: "segment", segment } satisfies PackReply, [
      segment.lines.buffer as ArrayBuffer,
    ]);
  },
  warning(warning) {
    reply({ type: "warning", warning });
  },
};

try {
  const totals = new Packer(sink).pack(selection);
  reply({ type: "done", totals });
} catch (error) {
  if (!(error instanceof RestbackupError)) throw error;
  reply({ type: "failed", code: error.code, message: error.message, hint: error.hint });
}
