import type { ByteRange } from "../byte-range.ts";
import type { DecryptedRange, Payload } from "../encryption/payload-range.ts";
import { type ErrorCode, RestbackupError } from "../errors.ts";
import type { Extraction, OnExtracted } from "./extraction.ts";
import type { Extracted } from "./extractor.ts";
import type { ArchiveReader, OpenedArchive } from "./read-archive.ts";
import { type RangeRequest, RangeServer } from "./remote-range.ts";
import { startWorker } from "./worker.ts";

/** What the worker is started with. */
export interface ExtractRequest {
  readonly extraction: Extraction;
  readonly opened: OpenedArchive;
  /** Length of what the worker may ask for: the age file when `payload` is given. */
  readonly size: number;
  readonly payload: Payload | undefined;
}

export type ExtractReply =
  | RangeRequest
  | { readonly type: "progress"; readonly files: number; readonly bytes: number }
  | { readonly type: "done"; readonly extracted: Extracted }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

export interface ExtractArchiveOptions extends Extraction {
  readonly onProgress?: OnExtracted | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads an archive into a folder, checking every byte against the contents list. This thread only
 * fetches: decrypting, decompressing, checking and writing is done in workers. Throws `damaged` when
 * anything differs, `io` when something cannot be written; what was written until then is the
 * caller's to remove.
 */
export async function extractArchive(
  reader: ArchiveReader,
  options: ExtractArchiveOptions,
): Promise<Extracted> {
  const { onProgress, signal, ...extraction } = options;
  signal?.throwIfAborted();
  const { source, payload } = encryptedSource(reader.source);
  const request: ExtractRequest = {
    extraction,
    opened: reader.opened,
    size: source.size,
    payload,
  };
  const worker = startWorker("restore-worker", request);
  const outcome = Promise.withResolvers<Extracted>();
  const server = new RangeServer(source, worker, outcome.reject);
  const abort = (): void => outcome.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  worker.on("message", (reply: ExtractReply) => {
    switch (reply.type) {
      case "progress":
        onProgress?.(reply.files, reply.bytes);
        break;
      case "done":
        outcome.resolve(reply.extracted);
        break;
      case "failed": {
        const { code, message, hint } = reply;
        outcome.reject(new RestbackupError(code, message, hint === undefined ? {} : { hint }));
        break;
      }
      default:
        server.handle(reply);
    }
  });
  worker.on("error", outcome.reject);
  worker.on("exit", () => outcome.reject(new Error("the restoring worker stopped early")));
  try {
    return await outcome.promise;
  } finally {
    signal?.removeEventListener("abort", abort);
    await worker.terminate();
    await server.close();
  }
}

/** What lies below a decrypting range, so that the worker can decrypt; or the range itself. */
function encryptedSource(range: ByteRange): { source: ByteRange; payload: Payload | undefined } {
  if (!isDecrypted(range)) return { source: range, payload: undefined };
  return range.encrypted;
}

function isDecrypted(range: ByteRange): range is DecryptedRange {
  return "encrypted" in range;
}
