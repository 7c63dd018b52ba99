import { startAhead } from "../archive/worker.ts";

/** Starts the threads of a command that needs some while what this thread needs for it is still being loaded. */
export function startThreads(args: readonly string[]): void {
  if (args.includes("--help") || args.includes("-h")) return;
  const [command] = args;
  if (command === "backup") {
    startAhead("pack-worker");
    startAhead("archive-worker");
  } else if (command === "restore") {
    startAhead("restore-worker", "file-worker");
  } else if (command === "verify") {
    startAhead("restore-worker");
  }
}
