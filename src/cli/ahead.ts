import { startAhead } from "../archive/worker.ts";

/** Starts the threads of a backup while what this thread needs for it is still being loaded. */
export function startThreads(args: readonly string[]): void {
  if (args[0] !== "backup" || args.includes("--help") || args.includes("-h")) return;
  startAhead("pack-worker");
  startAhead("archive-worker");
}
