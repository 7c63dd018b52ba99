import { lstat, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { ioError } from "../errors.ts";
import { removeTree } from "./placing.ts";

/**
 * Does something with a new folder below `parent`, for this user alone, and removes it whatever
 * happens, folders that a restore made read-only too. `onLeft` is told its path where something in
 * it cannot be removed. Throws `io` when it cannot be made.
 */
export async function withScratchFolder<T>(
  parent: string,
  work: (folder: string) => Promise<T>,
  onLeft: (folder: string) => void,
  label = "verify",
): Promise<T> {
  const folder = await mkdtemp(join(parent, `restbackup-${label}-`)).catch((error: unknown) => {
    throw ioError(
      "Cannot make a scratch folder",
      error,
      "Point TMPDIR at a folder that can be written.",
    );
  });
  try {
    return await work(folder);
  } finally {
    await removeTree(folder);
    const left = await lstat(folder).catch(() => undefined);
    if (left !== undefined) onLeft(folder);
  }
}
