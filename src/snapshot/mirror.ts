import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Git, GitFailure } from "./git.ts";

/** Waits before trying again, in milliseconds. */
const WAITS = [2000, 8000];

/** Why there is no clone. */
export type NoClone = "absent" | "refused";

/**
 * Clones everything a server shows of a repository: every ref, notes and the heads of pull requests
 * among them, whatever a job has checked out and how deep. Tells a repository that does not exist
 * from one that may not be read; tries again after other failures, and throws the last.
 */
export async function mirror(
  git: Git,
  url: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<NoClone | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      // Without a template no hook of this machine gets in.
      await git.run(["clone", "--quiet", "--mirror", "--template=", "--", url, folder]);
      return undefined;
    } catch (error) {
      if (!(error instanceof GitFailure)) throw error;
      const why = reasonOf(error.stderr);
      if (why !== undefined) return why;
      const wait = WAITS[attempt];
      if (wait === undefined || isFinal(error.stderr)) throw error;
      await rm(folder, { recursive: true, force: true });
      await delay(wait, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** Whether asking again would end the same: HTTP's 4xx but for "too soon", a certificate, a full disk. */
function isFinal(stderr: string): boolean {
  return /returned error: 4(?!08|29)\d\d|certificate|No space left/.test(stderr);
}

/** Reads what git says, in the C locale, about an HTTP status; undefined for other failures. */
function reasonOf(stderr: string): NoClone | undefined {
  if (/^fatal: repository '.*' not found$|returned error: (404|410)/m.test(stderr)) return "absent";
  const refused =
    /Authentication failed|could not read (Username|Password)|returned error: (401|403|451)/;
  return refused.test(stderr) ? "refused" : undefined;
}
