import * as core from "@actions/core";
import { RestbackupError } from "../errors.ts";

/**
 * Runs a step. Whatever goes wrong in it ends as one error annotation under `title` and exit code 1.
 * A cancelled workflow (the runner sends SIGINT, then SIGTERM) aborts the signal that `step` gets.
 */
export async function runStep(
  title: string,
  step: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const cancel = new AbortController();
  const onSignal = () =>
    cancel.abort(new RestbackupError("aborted", "The workflow run was cancelled."));
  const onStray = (error: unknown) => {
    annotate(title, error);
    process.stdout.write("", () => process.exit(1));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  process.on("uncaughtException", onStray).on("unhandledRejection", onStray);
  try {
    await step(cancel.signal);
  } catch (error) {
    const ours = error instanceof RestbackupError;
    annotate(title, cancel.signal.aborted && !ours ? cancel.signal.reason : error);
    process.exitCode = 1;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** The one annotation of a failed step: what happened, and what to do next. */
function annotate(title: string, error: unknown): void {
  core.error(failureText(error), { title });
  if (core.isDebug() && error instanceof Error) core.debug(error.stack ?? "");
}

/** A failure in words. An error that is not ours is a defect here, and is called one. */
export function failureText(error: unknown): string {
  if (error instanceof RestbackupError) {
    return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `Something unexpected failed: ${reason}\nRun the workflow again with debug logging to see where, and please report it.`;
}
