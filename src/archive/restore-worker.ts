import { parentPort } from "node:worker_threads";
import { decryptedRange } from "../encryption/payload-range.ts";
import { ioError } from "../errors.ts";
import type { ExtractReply, ExtractRequest } from "./extract.ts";
import { extractFrom } from "./extraction.ts";
import { ArchiveReader } from "./read-archive.ts";
import { RemoteRange } from "./remote-range.ts";
import { received } from "./worker.ts";

/** Decrypts, decompresses, checks and writes an archive whose bytes the main thread fetches. */

function reply(message: ExtractReply): void {
  parentPort!.postMessage(message);
}

const { extraction, opened, size, payload } = await received<ExtractRequest>();
const source = new RemoteRange(size, parentPort!);
const reader = new ArchiveReader(
  payload === undefined ? source : decryptedRange(source, payload),
  opened,
);
try {
  const extracted = await extractFrom(reader, extraction, (files, bytes) =>
    reply({ type: "progress", files, bytes }),
  );
  reply({ type: "done", extracted });
} catch (error) {
  const { code, message, hint } = ioError("Cannot restore", error);
  reply({ type: "failed", code, message, hint });
}
