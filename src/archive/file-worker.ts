import { closeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { ioError } from "../errors.ts";
import { free } from "../memory.ts";
import { cannotMake, FileMaker } from "./file-maker.ts";
import type { FilePart, FilesReply, FilesRequest, FilesWorkerData } from "./file-workers.ts";

/** Makes files whose content was checked already, as it is sent them. */

const { root, sameOwner } = workerData as FilesWorkerData;
const maker = new FileMaker(root, { sameOwner });

/** The file that goes on in the next request, if any. */
let open: number | undefined;

function take({ entry, at, length, position }: FilePart, bytes: Uint8Array): void {
  const content = bytes.subarray(at, at + length);
  const last = position + length === entry.size;
  if (position === 0 && last) {
    maker.make(entry, content);
    return;
  }
  try {
    open ??= maker.create(entry);
  } catch (error) {
    throw cannotMake(entry.path, error);
  }
  maker.write(open, entry, content, position);
  if (!last) return;
  maker.finish(open, entry);
  closeSync(open);
  open = undefined;
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
