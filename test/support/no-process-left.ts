import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { afterAll } from "vitest";

// A test that fails may leave a server of its own behind. That holds the streams of vitest's worker,
// and vitest waits for their end for ever. So what is left when a file is through, is ended.
const started = new Set<ChildProcess>();
subscribe("child_process", (message) => {
  const { process } = message as { process: ChildProcess };
  started.add(process);
  process.once("exit", () => started.delete(process));
});
const endAll = () => {
  for (const process of started) process.kill("SIGKILL");
};
afterAll(endAll);
process.once("exit", endAll);
