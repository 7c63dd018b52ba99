import { parentPort, workerData } from "node:worker_threads";
import { ioError } from "../errors.ts";
import { free } from "../memory.ts";
import { parseEntries } from "./contents-list.ts";
import type { ExtractReply, ExtractRequest } from "./extract.ts";
import { type ExtractOptions, Extractor } from "./extractor.ts";

/** The writing half of a restore, in a worker: checks and writes what it is sent, in order. */

const extractor = new Extractor(workerData as ExtractOptions);

function reply(message: ExtractReply): void {
  parentPort!.postMessage(message);
}

function handle(request: ExtractRequest): void {
  switch (request.type) {
    case "lines":
      extractor.entries(parseEntries(asBuffer(request.lines), request.segment));
      reply({ type: "progress", files: extractor.files, bytes: extractor.bytes });
      break;
    case "entries":
      extractor.entries(request.entries);
      reply({ type: "progress", files: extractor.files, bytes: extractor.bytes });
      break;
    case "content":
      extractor.content(request.offset, request.bytes);
      free(request.bytes);
      reply({ type: "progress", files: extractor.files, bytes: extractor.bytes });
      break;
    case "end":
      reply({ type: "done", extracted: extractor.end() });
      parentPort!.close();
      break;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

parentPort!.on("message", (request: ExtractRequest) => {
  try {
    handle(request);
  } catch (error) {
    extractor.abandon();
    const { code, message, hint } = ioError("Cannot restore", error);
    reply({ type: "failed", code, message, hint });
    parentPort!.close();
  }
});
