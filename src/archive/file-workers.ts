import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { type ErrorCode, RestbackupError } from "../errors.ts";
import type { FilePart as CheckedPart } from "./extractor.ts";
import type { FileEntry } from "./file-maker.ts";
import { startWorker } from "./worker.ts";

export interface FilesWorkerData {
  readonly root: string;
  readonly sameOwner: boolean;
}

/** A part of a file as its maker needs to know it. */
export interface FilePart extends Omit<CheckedPart, "entry"> {
  /** With the digest of a file in several parts, which was not checked yet. */
  readonly entry: FileEntry & { readonly sha256?: string };
}

/** Parts of files, and the bytes that hold them. */
export interface FilesRequest {
  readonly parts: readonly FilePart[];
  readonly bytes: Uint8Array;
}

export type FilesReply =
  | { readonly warnings: readonly string[] }
  | { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };

/** Making a file is nearly all waiting for the kernel's locks: more workers than this only wait. */
const MOST = 4;
/** Requests with a worker at once: one in work, and enough to go on with. */
const EACH = 3;

interface FileWorker {
  readonly worker: Worker;
  /** Requests not yet answered. */
  pending: number;
}

/**
 * Workers that make files beside the thread that checks what is to be in them; of long files, which
 * come in parts, they check the content too.
 */
export class FileWorkers {
  readonly warnings: string[] = [];
  readonly #workers: readonly FileWorker[];
  #last: FileWorker | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(data: FilesWorkerData) {
    const count = Math.min(MOST, Math.max(1, availableParallelism() - 1));
    this.#workers = Array.from({ length: count }, () => {
      const worker = startWorker("file-worker", data);
      const entry = { worker, pending: 0 };
      worker.on("message", (reply: FilesReply) => {
        entry.pending -= 1;
        if ("warnings" in reply) this.warnings.push(...reply.warnings);
        else this.#fail(new RestbackupError(reply.code, reply.message, hintOf(reply)));
        this.#wake?.();
      });
      worker.on("error", (error) => this.#fail(error));
      return entry;
    });
  }

  /**
   * Gives parts of files away, in order, once there is room; the memory goes with them. A file that
   * is in the making goes on with the worker that began it.
   */
  async make(parts: readonly CheckedPart[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const worker = parts[0]!.position > 0 ? this.#last! : await this.#idlest();
    await this.#until(() => worker.pending < EACH);
    worker.pending += 1;
    this.#last = worker;
    const request = { parts: parts.map(needed), bytes };
    worker.worker.postMessage(request, [bytes.buffer]);
  }

  async #idlest(): Promise<FileWorker> {
    await this.#until(() => this.#workers.some(({ pending }) => pending < EACH));
    return this.#workers.reduce((a, b) => (b.pending < a.pending ? b : a));
  }

  /** Waits until all are made. */
  async finish(): Promise<void> {
    await this.#until(() => this.#workers.every(({ pending }) => pending === 0));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  async #until(met: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (met()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function hintOf({ hint }: { readonly hint: string | undefined }): { hint?: string } {
  return hint === undefined ? {} : { hint };
}

/** A part and its entry without what making the file needs not. */
function needed({ entry, at, length, position }: CheckedPart): FilePart {
  const { path, mode, mtime, uid, gid, size, sparse, sha256 } = entry;
  return {
    at,
    length,
    position,
    entry: {
      path,
      mode,
      mtime,
      size: size!,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(sparse === undefined ? {} : { sparse }),
      ...(length === size ? {} : { sha256: sha256! }),
    },
  };
}
