import { parseTrustedSigners } from "../encryption/signing.ts";
import type { BackupOptions, BackupResult } from "../operations/backup.ts";
import type { Changes } from "../operations/changes.ts";

/** Milliseconds that two contents lists may take: they are a line of the summary, no more. */
const PATIENCE = 20_000;

/**
 * What a backup that was just made changed, for its summary; undefined where there is no summary, no
 * backup before it, or no telling. Never throws.
 */
export async function changesFor(
  { entry }: Pick<BackupResult, "entry">,
  { store, name, key, signingKey, signal }: Omit<BackupOptions, "paths" | "cwd">,
): Promise<Changes | undefined> {
  if (!process.env.GITHUB_STEP_SUMMARY) return undefined;
  const limit = AbortSignal.timeout(PATIENCE);
  try {
    const { changesSinceLast } = await import("../operations/changes.ts");
    return await changesSinceLast({
      ...{ store, name, entry, key },
      trustedSigners: parseTrustedSigners(signingKey?.signer ?? []),
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
  } catch {
    return undefined;
  }
}
