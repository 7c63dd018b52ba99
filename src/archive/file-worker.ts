import { createHash, type Hash } from "node:crypto";
import { closeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { ioError } from "../errors.ts";
import { free } from "../memory.ts";
import { cannotMake, FileMaker, wrongContent } from "./file-maker.ts";
import type { FilePart, FilesReply, FilesRequest, FilesWorkerData } from "./file-workers.ts";
import { received } from "./worker.ts";

/** Makes files as it is sent them: what comes whole was checked already, the rest is checked here. */

const { root, sameOwner } = await received<FilesWorkerData>();
const maker = new FileMaker(root, { sameOwner });

/** The file that goes on in the next request, if any. */
let open: { readonly fd: number; readonly digest: Hash } | undefined;

function take({ entry, at, length, position }: FilePart, bytes: Uint8Array): void {
  const content = bytes.subarray(at, at + length);
  if (length === entry.size) {
    maker.make(entry, content);
    return;
  }
  open ??= begin(entry);
  const { fd, digest } = open;
  digest.update(content);
  maker.write(fd, entry, content, position);
  if (position + length < entry.size!) return;
  if (digest.digest("hex") !== entry.sha256) throw wrongContent(entry.path);
  maker.finish(fd, entry);
  closeSync(fd);
  open = undefined;
}

function begin(entry: FilePart["entry"]): { readonly fd: number; readonly digest: Hash } {
  try {
    return { fd: maker.create(entry), digest: createHash("sha256") };
  } catch (error) {
    throw cannotMake(entry.path, error);
  }
}

parentPort!.on("message", ({ parts, bytes }: FilesRequest) => {
  let answer: FilesReply;
  try {
    for (const part of parts) take(part, bytes);
    answer = { warnings: maker.takeWarnings() };
  } catch (error) {
    const { code, message, hint } = ioError("Cannot restore", error);
    answer = { code, message, hint };
  }
  free(bytes);
  parentPort!.postMessage(answer);
});
