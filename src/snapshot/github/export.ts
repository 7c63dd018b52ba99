import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RepositoryAddress } from "../address.ts";
import type { Incomplete } from "../repository.ts";
import { Github, type GithubOptions } from "./client.ts";
import { readDiscussions } from "./discussions.ts";
import { GithubFailure } from "./failure.ts";
import {
  readIssueComments,
  readIssues,
  readPulls,
  readReactions,
  readReviewComments,
  readReviews,
  readTimeline,
} from "./issues.ts";
import type { JsonObject } from "./json.ts";
import { readReleases } from "./releases.ts";
import {
  readBranchProtection,
  readEnvironments,
  readLabels,
  readMilestones,
  readPages,
  readRepository,
  readRulesets,
  readSecrets,
  readVariables,
  readWebhooks,
} from "./settings.ts";
import { Shelf } from "./shelf.ts";
import type { Source } from "./source.ts";

export interface ExportOptions extends Omit<GithubOptions, "onWait"> {
  readonly address: RepositoryAddress;
  /** Told what is being read or waited for, for a person. */
  readonly onStep?: ((doing: string) => void) | undefined;
}

interface Exported {
  readonly incomplete: readonly Incomplete[];
  /** How many requests it took. */
  readonly requests: number;
}

/** What is read, in this order: should a limit end it, what people wrote is there. */
const KINDS: readonly (readonly [part: string, read: (source: Source) => Promise<void>])[] = [
  ["repository", readRepository],
  ["labels", readLabels],
  ["milestones", readMilestones],
  ["issues", readIssues],
  ["issues/comments", readIssueComments],
  ["pulls", readPulls],
  ["pulls/review-comments", readReviewComments],
  ["pulls/reviews", readReviews],
  ["releases", readReleases],
  ["discussions", readDiscussions],
  ["reactions", readReactions],
  ["branch-protection", readBranchProtection],
  ["rulesets", readRulesets],
  ["environments", readEnvironments],
  ["variables", readVariables],
  ["secrets", readSecrets],
  ["pages", readPages],
  ["webhooks", readWebhooks],
  ["issues/timeline", readTimeline],
];

/**
 * Writes what git does not hold into the new folder `metadata` of `folder`: docs/snapshots.md,
 * "Metadata". What could not be read is told, there in incomplete.json and in the result.
 */
export async function exportMetadata(folder: string, options: ExportOptions): Promise<Exported> {
  const { address, apiUrl, onStep } = options;
  const github = new Github({ ...options, onWait: onStep });
  const incomplete: Incomplete[] = [];
  const miss = (part: string, reason: string): void => {
    incomplete.push({ part: `metadata/${part}`, reason });
  };
  const metadata = join(folder, "metadata");
  await mkdir(metadata);
  const source: Source = {
    ...{ github, address, apiUrl, miss },
    shelf: new Shelf(metadata),
    settings: await settingsOf(github, address, miss),
    reacted: new Map(),
    pulls: new Map(),
  };
  for (const [part, read] of KINDS) {
    if (part === "repository" && incomplete.length > 0) continue;
    onStep?.(`Reading ${part} from the API`);
    await unlessRefused(() => read(source), miss, part);
  }
  await writeFile(join(metadata, "incomplete.json"), `${JSON.stringify(incomplete, null, 2)}\n`);
  return { incomplete, requests: github.requests };
}

async function settingsOf(
  github: Github,
  address: RepositoryAddress,
  miss: Source["miss"],
): Promise<JsonObject> {
  const read = () => github.get("/repos/{owner}/{repo}", { ...address });
  return ((await unlessRefused(read, miss, "repository")) ?? {}) as JsonObject;
}

async function unlessRefused<T>(
  read: () => Promise<T>,
  miss: Source["miss"],
  part: string,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof GithubFailure)) throw error;
    miss(part, error.message);
    return undefined;
  }
}
