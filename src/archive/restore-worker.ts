import { parentPort } from "node:worker_threads";
import { decryptedRange } from "../encryption/payload-range.ts";
import { ioError } from "../errors.ts";
import type { ExtractReply, ExtractRequest } from "./extract.ts";
import { extractFrom } from "./extraction.ts";
import { ArchiveReader } from "./read-archive.ts";
import { RemoteRange } from "./remote-range.ts";
import { received } from "./worker.ts";

/** Decrypts, decompresses, checks and writes an archive whose bytes the main thread fetches. */

/** Between two reports: each has the main thread change places with this one. */
const INTERVAL_MS = 100;

function reply(message: ExtractReply): void {
  parentPort!.postMessage(message);
}

const { extraction, opened, size, payload } = await received<ExtractRequest>();
const source = new RemoteRange(size, parentPort!);
const reader = new ArchiveReader(
  payload === undefined ? source : decryptedRange(source, payload),
  opened,
);
/** The last report, and when it was sent. */
let [progress, told] = [{ type: "progress", files: 0, bytes: 0 } satisfies ExtractReply, 0];
try {
  const extracted = await extractFrom(reader, extraction, (files, bytes) => {
    progress = { type: "progress", files, bytes };
    const now = performance.now();
    if (now - told < INTERVAL_MS) return;
    told = now;
    reply(progress);
  });
  reply(progress);
  reply({ type: "done", extracted });
} catch (error) {
  const { code, message, hint } = ioError("Cannot restore", error);
  reply({ type: "failed", code, message, hint });
}
