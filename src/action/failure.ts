import { RestbackupError } from "../errors.ts";

/** A failure in words. An error that is not ours is a defect here, and is called one. */
export function failureText(error: unknown): string {
  if (error instanceof RestbackupError) {
    return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `Something unexpected failed: ${reason}\nRun the workflow again with debug logging to see where, and please report it.`;
}
