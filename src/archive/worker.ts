import { type TransferListItem, Worker } from "node:worker_threads";

/** Young objects die young in our workers; a larger nursery is only memory. */
const LIMITS = { maxYoungGenerationSizeMb: 6 };

/**
 * Starts the worker whose file lies beside this one: source when run from source, built when run
 * from a build. Options of the process's own command line, meant for its main script, are not its.
 */
export function startWorker(
  name: string,
  workerData: unknown,
  transferList: TransferListItem[] = [],
): Worker {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const url = new URL(`./${name}.${extension}`, import.meta.url);
  return new Worker(url, { workerData, transferList, resourceLimits: LIMITS, execArgv: [] });
}
