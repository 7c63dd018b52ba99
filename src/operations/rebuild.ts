import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RestbackupError } from "../errors.ts";
import { checkToken, parseRepository, parseServerUrl } from "../snapshot/address.ts";
import { Git, GitFailure } from "../snapshot/git.ts";
import { type Environment, gitEnvironment, TOKEN_USER } from "../snapshot/git-environment.ts";
import { Github } from "../snapshot/github/client.ts";
import { GithubFailure } from "../snapshot/github/failure.ts";
import type { JsonObject } from "../snapshot/github/json.ts";
import { type Claim, claim, examine, release } from "../snapshot/rebuild/claim.ts";
import { type Issues, putIssues } from "../snapshot/rebuild/issues.ts";
import { putLabels, putMilestones } from "../snapshot/rebuild/labels.ts";
import { pushBundle, remoteRefs } from "../snapshot/rebuild/push.ts";
import { putReleases, type Releases } from "../snapshot/rebuild/releases.ts";
import { SnapshotFolder } from "../snapshot/rebuild/snapshot-folder.ts";
import { Target } from "../snapshot/rebuild/target.ts";
import { stoppable } from "./aborted.ts";
import { withConnections } from "./github-connections.ts";
import { withScratchFolder } from "./scratch.ts";

export interface RebuildOptions {
  /** The folder that a snapshot lies in. */
  readonly folder: string;
  /** OWNER/REPO: an empty repository, or one that an earlier run began to fill. */
  readonly to: string;
  /** `https://github.com`, or that of a GitHub Enterprise Server. */
  readonly serverUrl: string;
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  /** A secret, of somebody who may administer the repository. */
  readonly token: string;
  /** Seconds to wait for rate limits in all, at most. */
  readonly maxWait: number;
  /** Only says what would be done. */
  readonly dryRun: boolean;
  /** Variables of the machine: the way to programs and through proxies. */
  readonly env: Environment;
  /** Milliseconds between changes; by default the second that GitHub asks for. */
  readonly pace?: number | undefined;
  /** Told what is being done, for a person. */
  readonly onStep?: ((doing: string) => void) | undefined;
  /** Told the path of a folder with clones that could not be removed. */
  readonly onLeft?: ((folder: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RebuildResult extends Issues, Omit<Releases, "missing"> {
  /** OWNER/REPO that the snapshot was taken of. */
  readonly repository: string;
  readonly refs: number;
  readonly labels: number;
  readonly milestones: number;
  /** Whether an earlier run had begun. */
  readonly resumed: boolean;
  /** What was not put back and why, for a person. */
  readonly left: readonly string[];
}

interface Work extends RebuildOptions {
  readonly snapshot: SnapshotFolder;
  readonly target: Target;
  readonly git: Git;
  readonly scratch: string;
  readonly url: string;
}

/**
 * Puts a snapshot into an empty repository through git and the API (docs/snapshots.md, "Rebuilding").
 * What is there of an earlier run that was ended is not done again. Throws `target-exists` for a
 * repository that holds anything else, `not-found` for one that does not exist.
 */
export function rebuild(options: RebuildOptions): Promise<RebuildResult> {
  return stoppable(options.signal, async () => {
    const snapshot = await SnapshotFolder.open(options.folder);
    const address = parseRepository(options.to);
    const token = checkToken(options.token);
    const serverUrl = parseServerUrl(options.serverUrl, "server's url");
    const { env, signal } = options;
    return await withScratchFolder(
      tmpdir(),
      (scratch) =>
        withConnections(env, async (dispatcherFor) => {
          const home = join(scratch, "home");
          await mkdir(home);
          const github = new Github({ ...options, token, dispatcherFor, onWait: options.onStep });
          const basic = Buffer.from(`${TOKEN_USER}:${token}`).toString("base64");
          const git = new Git(scratch, {
            env: await gitEnvironment(env, { serverUrl, token }, home),
            secrets: [token, basic],
            signal,
          });
          const target = new Target(github, address, options.pace ?? 1000, signal);
          const url = `${serverUrl}/${target.name}`;
          return await run({ ...options, snapshot, target, git, scratch, url });
        }),
      (folder) => options.onLeft?.(folder),
      "rebuild",
    );
  });
}

async function run(work: Work): Promise<RebuildResult> {
  const { snapshot, target, git, url, dryRun, onStep } = work;
  onStep?.(`Looking at ${target.name}`);
  const settings = await settingsOf(target);
  const refs = await remoteRefs(git, `${url}.git`);
  const state = await target.persist(() => examine(target, snapshot, refs.size));
  if (dryRun) return await plan(work, state);
  if (settings.has_issues === false) {
    throw new RestbackupError("usage", `Issues are switched off in ${target.name}.`, {
      hint: "Switch them on in its settings, then try again.",
    });
  }
  if (state === "empty") await target.persist(() => claim(target, snapshot));
  const left: string[] = [];
  const pushed = await push(work, left);
  onStep?.("Putting labels and milestones back");
  const labels = await target.persist(() => putLabels(target, snapshot));
  const milestones = await target.persist(() => putMilestones(target, snapshot));
  onStep?.("Putting issues back");
  const issues = await target.persist(() =>
    putIssues(target, snapshot, milestones, (number) => {
      if (number % 100 === 0) onStep?.(`Issues up to #${number} are there`);
    }),
  );
  onStep?.("Putting releases back");
  const { missing, ...releases } = await target.persist(() => putReleases(target, snapshot));
  if (missing.length > 0) {
    left.push(`Files of releases that the snapshot does not have: ${missing.join(", ")}.`);
  }
  await putSettings(work, left);
  await target.persist(() => release(target));
  left.push(...NEVER_PUT_BACK);
  const resumed = state === "ours";
  const { repository } = snapshot;
  return {
    repository,
    refs: pushed,
    labels,
    milestones: milestones.size,
    ...issues,
    ...releases,
    resumed,
    left,
  };
}

const NEVER_PUT_BACK = [
  "Pull requests are issues now; their reviews, and reactions by name, stay in the snapshot.",
  "Rules for branches, environments, variables, secrets, Pages, webhooks and discussions are yours to set again: the snapshot says what they were.",
];

async function settingsOf(target: Target): Promise<JsonObject> {
  try {
    return await target.get("");
  } catch (error) {
    if (!(error instanceof GithubFailure) || error.status !== 404) throw error;
    throw new RestbackupError(
      "not-found",
      `There is no repository ${target.name}, or this token may not see it.`,
      { hint: "Make it first, empty: no README, no license.", cause: error },
    );
  }
}

async function push(work: Work, left: string[]): Promise<number> {
  const { snapshot, git, scratch, url, onStep } = work;
  const { repository, wiki } = snapshot.refs;
  let pushed = 0;
  if (await snapshot.has("repository.bundle")) {
    onStep?.("Pushing the commits");
    const file = join(snapshot.path, "repository.bundle");
    const lfs = (await snapshot.has("lfs")) ? join(snapshot.path, "lfs") : undefined;
    const bundle = { file, refs: repository, lfs };
    const counts = await pushBundle(git, bundle, `${url}.git`, join(scratch, "repository.git"));
    pushed = counts.pushed;
    if (counts.pulls > 0) {
      left.push(
        `${counts.pulls} refs below refs/pull: only GitHub itself makes these. They are in repository.bundle.`,
      );
    }
  }
  if (wiki !== undefined) await pushWiki(work, left);
  return pushed;
}

async function pushWiki({ snapshot, git, scratch, url, onStep }: Work, left: string[]) {
  onStep?.("Pushing the wiki");
  const bundle = { file: join(snapshot.path, "wiki.bundle"), refs: snapshot.refs.wiki! };
  try {
    await pushBundle(git, bundle, `${url}.wiki.git`, join(scratch, "wiki.git"));
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    left.push(
      `The wiki could not be pushed. GitHub makes one when its first page is saved: save one, then push wiki.bundle as the snapshot's README.md says. ${error.message}`,
    );
  }
}

/** Description, home page, topics and default branch; what a token may not set is told. */
async function putSettings({ snapshot, target }: Work, left: string[]): Promise<void> {
  for await (const { description, homepage, topics } of snapshot.lines("repository/repository")) {
    const branch = snapshot.refs.repository.head?.replace("refs/heads/", "");
    try {
      await target.change("PATCH", "", {
        ...(typeof description === "string" ? { description } : {}),
        ...(typeof homepage === "string" ? { homepage } : {}),
        ...(branch === undefined || snapshot.refs.repository.commit === null
          ? {}
          : { default_branch: branch }),
      });
      if (Array.isArray(topics)) await target.change("PUT", "/topics", { names: topics });
    } catch (error) {
      if (!(error instanceof GithubFailure) || !error.isRefusal) throw error;
      left.push(`Description, topics and default branch could not be set. ${error.message}`);
    }
  }
}

/** What the snapshot holds, without a change anywhere. */
async function plan({ snapshot }: Work, state: Claim): Promise<RebuildResult> {
  let [issues, pulls, gaps, next, assets, releases] = [0, 0, 0, 1, 0, 0];
  for await (const { number, pull_request } of snapshot.lines("issues/issues")) {
    gaps += Number(number) - next;
    next = Number(number) + 1;
    if (pull_request === undefined || pull_request === null) issues++;
    else pulls++;
  }
  for await (const one of snapshot.lines("releases/releases")) {
    releases++;
    assets += (one.assets as readonly JsonObject[]).filter(({ file }) => file !== undefined).length;
  }
  const names = Object.keys(snapshot.refs.repository.refs);
  return {
    repository: snapshot.repository,
    refs: names.filter((name) => !name.startsWith("refs/pull/")).length,
    labels: await countLines(snapshot, "labels/labels"),
    milestones: await countLines(snapshot, "milestones/milestones"),
    ...{ issues, pulls, gaps, releases, assets },
    comments: await countLines(snapshot, "issues/comments"),
    resumed: state === "ours",
    left: NEVER_PUT_BACK,
  };
}

async function countLines(snapshot: SnapshotFolder, name: string): Promise<number> {
  let count = 0;
  for await (const _line of snapshot.lines(name)) count++;
  return count;
}
