import type { KeyObject } from "node:crypto";
import type { Worker } from "node:worker_threads";
import type { Authentication } from "../encryption/authentication-record.ts";
import { type ErrorCode, RestbackupError } from "../errors.ts";
import type { ContentsTotals, ContentsWarning } from "./contents.ts";
import { type PackSource, startPacking } from "./pack.ts";
import type { Selection } from "./selection.ts";
import type { Volume } from "./volumes.ts";
import { startWorker } from "./worker.ts";
import type { ArchiveDescription } from "./write-archive.ts";

/** What the worker is started with. */
export interface ReadingRequest {
  readonly source: PackSource;
  /** zstd level, 1 to 19. */
  readonly level: number;
}

/** What it is told once it is known. */
export interface WritingRequest {
  readonly description: ArchiveDescription;
  /** Age header and nonce, and the key of the payload after them. */
  readonly age: { readonly prologue: Uint8Array; readonly key: KeyObject };
  /** Bytes. */
  readonly volumeSize: number;
}

/** What the worker asks and waits for. */
export type ArchiveQuestion =
  | { readonly about: "file" }
  | { readonly about: "volume"; readonly volume: Volume }
  | {
      readonly about: "authentication";
      readonly digest: Uint8Array;
      readonly totals: ContentsTotals;
    };

export type ArchiveReply =
  | { readonly type: "question"; readonly question: ArchiveQuestion }
  /** Bytes of tar stream in the frames since the last. */
  | { readonly type: "frame"; readonly bytes: number }
  | { readonly type: "warning"; readonly warning: ContentsWarning }
  | { readonly type: "done"; readonly made: MadeArchive }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

export interface MadeArchive {
  /** Bytes of the whole archive. */
  readonly size: number;
  /** SHA-256 of the whole archive, hex. */
  readonly sha256: string;
  readonly totals: ContentsTotals;
}

export interface ArchiveHooks {
  /** Vouches for the index with this digest (`authentication.ts`), or refuses it by throwing. */
  readonly authenticate: (digest: Buffer, totals: ContentsTotals) => Authentication;
  /** Path of a file to write the next volume to. */
  readonly newFile: () => string;
  readonly onWarning?: ((warning: ContentsWarning) => void) | undefined;
  /** Told now and then how many more bytes of tar stream are in frames. */
  readonly onFrame?: ((bytes: number) => void) | undefined;
}

/**
 * A tree on its way to an encrypted archive: read, compressed, encrypted and written to volume files
 * in workers, whose small heaps cost the collector little. Reading begins at once.
 */
export class ArchiveMaker {
  readonly #worker: Worker;
  readonly #packing: Worker;
  readonly #signal: AbortSignal | undefined;
  readonly #replies: ArchiveReply[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  readonly #abort = (): void => this.#fail(this.#signal?.reason);

  /** @param level zstd's, 1 to 19. */
  constructor(selection: Selection, level: number, signal: AbortSignal | undefined) {
    this.#signal = signal;
    const { worker, source } = startPacking(selection);
    const request: ReadingRequest = { source, level };
    this.#packing = worker;
    this.#packing.on("error", (error) => this.#fail(error));
    this.#packing.on("exit", (code) => {
      if (code !== 0) this.#fail(new Error(`the packing worker stopped early (${code})`));
    });
    this.#worker = startWorker("archive-worker", request, [source.port]);
    this.#worker.on("message", (reply: ArchiveReply) => {
      this.#replies.push(reply);
      this.#wake?.();
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", (code) =>
      this.#fail(new Error(`the archive worker stopped early (${code})`)),
    );
    if (signal?.aborted === true) this.#abort();
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /**
   * The finished volumes, in order; whoever takes one removes its file. The next is not begun to be
   * handed over before it is asked for. Throws `io` for what cannot be read, or written.
   */
  async *volumes(
    request: WritingRequest,
    hooks: ArchiveHooks,
  ): AsyncGenerator<Volume, MadeArchive> {
    this.#worker.postMessage(request);
    for (;;) {
      const reply = await this.#next();
      switch (reply.type) {
        case "question": {
          const { question } = reply;
          if (question.about === "volume") {
            yield question.volume;
            this.#worker.postMessage(undefined);
          } else if (question.about === "file") {
            this.#worker.postMessage(hooks.newFile());
          } else {
            const { digest, totals } = question;
            this.#worker.postMessage(hooks.authenticate(Buffer.from(digest), totals));
          }
          break;
        }
        case "frame":
          hooks.onFrame?.(reply.bytes);
          break;
        case "warning":
          hooks.onWarning?.(reply.warning);
          break;
        case "done":
          return reply.made;
        case "failed": {
          const { code, message, hint } = reply;
          throw new RestbackupError(code, message, hint === undefined ? {} : { hint });
        }
      }
    }
  }

  /** Ends the workers. What they were writing stays for the caller to remove. */
  async stop(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#abort);
    const workers = [this.#packing, this.#worker];
    for (const worker of workers) worker.removeAllListeners("exit");
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async #next(): Promise<ArchiveReply> {
    for (;;) {
      // An abort overtakes what was said before it; a worker's end does not.
      if (this.#signal?.aborted === true) throw this.#signal.reason;
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
