import { RestbackupError } from "../errors.ts";
import { countInWords } from "../words.ts";
import { stoppable } from "./aborted.ts";
import type { ArchiveEntry } from "./entries.ts";
import { newestFirst, requireComplete } from "./newest.ts";
import { type RestoreOptions, type RestoreResult, restore } from "./restore.ts";

/** What to restore, and whom to tell of backups that could not be. */
export interface FallbackOptions extends Omit<RestoreOptions, "entry"> {
  /** Told of each backup that was passed over, and why. */
  readonly onPassedOver: (archive: ArchiveEntry, why: RestbackupError) => void;
}

/**
 * Restores the newest backup that verifies: one that is not complete, damaged, unauthentic or
 * encrypted to another key is passed over. Whoever can damage backups can so choose which older one
 * comes back; that is why nobody gets this unasked. Throws as `restore` does, and where none
 * verifies what is wrong with the newest.
 */
export function restoreWithFallback(options: FallbackOptions): Promise<RestoreResult> {
  return stoppable(options.signal, () => restoreNewestGood(options));
}

async function restoreNewestGood(options: FallbackOptions): Promise<RestoreResult> {
  const { onPassedOver, ...restoring } = options;
  const backups = await newestFirst(options.store, options, { signal: options.signal });
  let first: RestbackupError | undefined;
  for (const archive of backups) {
    try {
      requireComplete(archive, "A backup");
      return await restore({ ...restoring, at: undefined, entry: archive.entry });
    } catch (error) {
      if (!isPassedOver(error)) throw error;
      first ??= error;
      onPassedOver(archive, error);
    }
  }
  throw new RestbackupError(first!.code, first!.message, {
    cause: first,
    hint: [
      first!.hint,
      backups.length === 1
        ? "There is no other to fall back to."
        : `Of ${countInWords(backups.length, "backup")} none can be restored; this is what is wrong with the newest.`,
    ]
      .filter((line) => line !== undefined)
      .join("\n"),
  });
}

function isPassedOver(error: unknown): error is RestbackupError {
  const codes = ["damaged", "unauthentic", "wrong-key"];
  return error instanceof RestbackupError && codes.includes(error.code);
}
