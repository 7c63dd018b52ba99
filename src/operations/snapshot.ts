import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RestbackupError } from "../errors.ts";
import { parseRepository, parseServerUrl } from "../snapshot/address.ts";
import type { Environment } from "../snapshot/git-environment.ts";
import { exportMetadata } from "../snapshot/github/export.ts";
import { type Gathered, gatherRepository, type Incomplete } from "../snapshot/repository.ts";
import { stoppable } from "./aborted.ts";
import { type BackupOptions, type BackupResult, backup } from "./backup.ts";
import { withConnections } from "./github-connections.ts";
import { prepareTarget } from "./placing.ts";
import { withScratchFolder } from "./scratch.ts";

export interface RepositoryOptions {
  /** OWNER/REPO. */
  readonly repository: string;
  /** `https://github.com`, or that of a GitHub Enterprise Server. */
  readonly serverUrl: string;
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  /** A secret. Without one only what everybody may see is read. */
  readonly token?: string | undefined;
  /** Whether to take the wiki and the objects of Git LFS along. */
  readonly wiki: boolean;
  readonly lfs: boolean;
  /** Whether to take what git does not hold: issues, releases, settings. Needs a token. */
  readonly metadata: boolean;
  /** Seconds to wait for rate limits in all, at most. */
  readonly maxWait: number;
  /** Fails when anything that was asked for could not be read, instead of telling so. */
  readonly strict: boolean;
  /** Variables of the machine: the way to programs and through proxies. */
  readonly env: Environment;
  /** Told what is being done, for a person. */
  readonly onStep?: ((doing: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SnapshotOptions
  extends RepositoryOptions,
    Omit<BackupOptions, "paths" | "patterns" | "exclude" | "cwd" | "source" | "signal"> {
  /** The workflow run that makes it, where one does. */
  readonly run?: string | undefined;
  /** Told the path of a folder with clones that could not be removed. */
  readonly onLeft?: ((folder: string) => void) | undefined;
}

export interface SnapshotResult extends BackupResult {
  /** The repository as it was read. */
  readonly gathered: Gathered;
}

/**
 * Backs a repository up: gathers it into a scratch folder (docs/snapshots.md) and stores that as
 * {@link backup} does. Throws `not-found` for a repository that is not there or may not be read,
 * `incomplete` where `strict` and anything is missing; nothing is stored then.
 */
export function snapshot(options: SnapshotOptions): Promise<SnapshotResult> {
  return stoppable(options.signal, () =>
    withScratchFolder(
      tmpdir(),
      async (parent) => {
        const folder = join(parent, "files");
        await mkdir(folder);
        const gathered = await gather(options, folder, join(parent, "scratch"));
        options.onStep?.("Storing the snapshot");
        const { head, commit } = gathered.refs;
        const stored = await backup({
          ...options,
          cwd: folder,
          paths: ["."],
          source: {
            repository: options.repository,
            ...(head === null ? {} : { ref: head }),
            ...(commit === null ? {} : { commit }),
            ...(options.run === undefined ? {} : { run: options.run }),
          },
        });
        return { ...stored, gathered };
      },
      (folder) => options.onLeft?.(folder),
      "snapshot",
    ),
  );
}

/**
 * Gathers a repository into a new or empty folder, which is there whole or not at all. Throws as
 * {@link snapshot}, and `target-exists` for a folder that holds something.
 */
export function snapshotTo(to: string, options: RepositoryOptions): Promise<Gathered> {
  return stoppable(options.signal, async () => {
    const target = await prepareTarget(to, { overwrite: false });
    try {
      const gathered = await gather(options, target.staging, join(target.staging, ".scratch"));
      await target.place(false);
      return gathered;
    } catch (error) {
      await target.discard();
      throw error;
    }
  });
}

async function gather(
  options: RepositoryOptions,
  folder: string,
  scratch: string,
): Promise<Gathered> {
  await mkdir(scratch);
  const gathered = await gatherRepository({
    address: parseRepository(options.repository),
    serverUrl: parseServerUrl(options.serverUrl, "server's url"),
    token: options.token,
    folder,
    scratch,
    env: options.env,
    wiki: options.wiki,
    lfs: options.lfs,
    exportMetadata: options.metadata ? (folder) => readMetadata(options, folder) : undefined,
    onStep: options.onStep,
    signal: options.signal,
  });
  if (options.strict) requireWhole(gathered.incomplete);
  return gathered;
}

async function readMetadata(
  options: RepositoryOptions,
  folder: string,
): Promise<readonly Incomplete[]> {
  const { token, apiUrl, graphqlUrl, maxWait, onStep, signal } = options;
  if (token === undefined) {
    return [{ part: "metadata", reason: "No token was given, and without one there is no API." }];
  }
  const { incomplete } = await withConnections(options.env, (dispatcherFor) =>
    exportMetadata(folder, {
      address: parseRepository(options.repository),
      apiUrl: parseServerUrl(apiUrl, "API's url"),
      graphqlUrl: parseServerUrl(graphqlUrl, "GraphQL API's url"),
      ...{ token, maxWait, dispatcherFor, onStep, signal },
    }),
  );
  return incomplete;
}

function requireWhole(incomplete: readonly Incomplete[]): void {
  if (incomplete.length === 0) return;
  const lines = incomplete.map(({ part, reason }) => `${part}: ${reason}`);
  throw new RestbackupError("incomplete", `The snapshot would not be whole. ${lines.join(" ")}`, {
    hint: "Nothing was kept. Give the token what it lacks, leave those parts out, or do without strict.",
  });
}
