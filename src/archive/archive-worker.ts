import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import type { Authentication } from "../encryption/authentication-record.ts";
import { PayloadEncrypter } from "../encryption/payload.ts";
import { RestbackupError } from "../errors.ts";
import type {
  ArchiveQuestion,
  ArchiveReply,
  ReadingRequest,
  WritingRequest,
} from "./make-archive.ts";
import { packedParts } from "./packed-parts.ts";
import { cutVolumes } from "./volumes.ts";
import { received } from "./worker.ts";
import { type WrittenArchive, writeArchive } from "./write-archive.ts";

/** From the packed tree to encrypted volume files; asks for what it is not to know or to decide. */

function reply(message: ArchiveReply): void {
  parentPort!.postMessage(message);
}

async function ask(question: ArchiveQuestion): Promise<unknown> {
  reply({ type: "question", question });
  const [answer] = await once(parentPort!, "message");
  return answer;
}

/** The archive as age ciphertext, in batches. */
async function* encrypt(
  archive: AsyncGenerator<readonly Buffer[], WrittenArchive>,
  { prologue, key }: WritingRequest["age"],
): AsyncGenerator<readonly Uint8Array[], WrittenArchive> {
  const encrypter = new PayloadEncrypter(key);
  try {
    yield [prologue];
    for (;;) {
      const next = await archive.next();
      if (next.done === true) {
        yield encrypter.final();
        return next.value;
      }
      for (const batch of encrypter.batches(next.value)) {
        yield batch;
        // What waits to be compressed is handed out meanwhile.
        await nextTurn();
      }
    }
  } finally {
    await archive.return(undefined as never);
  }
}

/** Milliseconds between two messages about progress: each wakes the main thread. */
const PROGRESS_EVERY = 50;

class Progress {
  #bytes = 0;
  #told = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    if (now - this.#told < PROGRESS_EVERY) return;
    this.#told = now;
    this.tell();
  }

  tell(): void {
    if (this.#bytes > 0) reply({ type: "frame", bytes: this.#bytes });
    this.#bytes = 0;
  }
}

async function make(): Promise<void> {
  const { source, level } = await received<ReadingRequest>();
  const packed = packedParts(source, level);
  const request = await received<WritingRequest>();
  const progress = new Progress();
  const archive = writeArchive(packed, request.description, {
    authenticate: async (digest, totals) => {
      progress.tell();
      return (await ask({ about: "authentication", digest, totals })) as Authentication;
    },
    onWarning: (warning) => reply({ type: "warning", warning }),
    onFrame: (bytes) => progress.add(bytes),
  });
  const volumes = cutVolumes(encrypt(archive, request.age), {
    volumeSize: request.volumeSize,
    newFile: async () => (await ask({ about: "file" })) as string,
  });
  for (;;) {
    const next = await volumes.next();
    if (next.done === true) {
      const { size, sha256, returned } = next.value;
      reply({ type: "done", made: { size, sha256, totals: returned.totals } });
      return;
    }
    await ask({ about: "volume", volume: next.value });
  }
}

try {
  await make();
} catch (error) {
  if (!(error instanceof RestbackupError)) throw error;
  reply({ type: "failed", code: error.code, message: error.message, hint: error.hint });
}
