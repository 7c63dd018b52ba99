import * as core from "@actions/core";
import { RestbackupError } from "../errors.ts";
import { failureText } from "./failure.ts";

/**
 * Runs a step. Whatever goes wrong in it ends as one error annotation under `title` and exit code 1.
 * A cancelled workflow (the runner sends SIGINT, then SIGTERM) aborts the signal that `step` gets.
 */
export async function runStep(
  title: string,
  step: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  useRunnerTemp();
  const cancel = new AbortController();
  const onSignal = () =>
    cancel.abort(new RestbackupError("aborted", "The workflow run was cancelled."));
  const onStray = (error: unknown) => {
    annotate(title, error);
    process.stdout.write("", () => process.exit(1));
  };
  // Never taken off: the runner's second signal must not cut short what the first one began.
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  process.on("uncaughtException", onStray).on("unhandledRejection", onStray);
  try {
    await step(cancel.signal);
  } catch (error) {
    const ours = error instanceof RestbackupError;
    annotate(title, cancel.signal.aborted && !ours ? cancel.signal.reason : error);
    process.exitCode = 1;
  }
}

/** The one annotation of a failed step: what happened, and what to do next. */
function annotate(title: string, error: unknown): void {
  core.error(failureText(error), { title });
  if (core.isDebug() && error instanceof Error) core.debug(error.stack ?? "");
}

/** Lets temporary files lie where the runner cleans up behind every job, even behind a killed one. */
function useRunnerTemp(): void {
  const { env } = process;
  if (!env.RUNNER_TEMP) return;
  // The first is what `os.tmpdir` asks for on POSIX systems, the others on Windows.
  for (const name of ["TMPDIR", "TEMP", "TMP"]) env[name] = env.RUNNER_TEMP;
}
