import { once } from "node:events";
import { parentPort, type TransferListItem, Worker, workerData } from "node:worker_threads";

type WorkerName = "pack-worker" | "archive-worker" | "restore-worker" | "file-worker";

/** Young objects die young in our workers; a larger nursery is only memory. */
const LIMITS = { maxYoungGenerationSizeMb: 6 };

/** Started, and not yet given work. */
const ahead = new Map<string, Worker>();

/**
 * Starts a worker before its work is known, so that it is ready by then: a thread's start takes as
 * long as that of a program. One that gets no work does not keep the process from ending.
 *
 * @param next what this worker will start itself, and is to start ahead too.
 */
export function startAhead(name: WorkerName, next?: WorkerName): void {
  const worker = create(name, next);
  worker.unref();
  // Whoever starts the work starts it anew, and hears of what is wrong.
  worker.on("error", () => ahead.delete(name));
  ahead.set(name, worker);
}

/** Gives work, which it takes by {@link received}, to a new worker, or to the one that was started ahead. */
export function startWorker(
  name: WorkerName,
  work: unknown,
  transferList: TransferListItem[] = [],
): Worker {
  const ready = ahead.get(name);
  ahead.delete(name);
  ready?.removeAllListeners("error").ref();
  const worker = ready ?? create(name);
  worker.postMessage(work, transferList);
  return worker;
}

/** In a worker: the work it was started for. */
export async function received<T>(): Promise<T> {
  if (typeof workerData === "string") startAhead(workerData as WorkerName);
  const [work] = await once(parentPort!, "message");
  return work;
}

/**
 * The worker whose file lies beside this one: source when run from source, built when run from a
 * build. Options of the process's own command line, meant for its main script, are not its.
 */
function create(name: WorkerName, next?: WorkerName): Worker {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const url = new URL(`./${name}.${extension}`, import.meta.url);
  return new Worker(url, { resourceLimits: LIMITS, execArgv: [], workerData: next });
}
