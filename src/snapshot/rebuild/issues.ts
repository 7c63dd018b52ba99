import type { JsonObject } from "../github/json.ts";
import { isObject } from "../github/json.ts";
import { quotedNote } from "./note.ts";
import { quoted } from "./quote.ts";
import type { SnapshotFolder } from "./snapshot-folder.ts";
import type { Target } from "./target.ts";

/** How many were put back, of earlier runs too. */
export interface Issues {
  readonly issues: number;
  /** Issues that stand where pull requests were. */
  readonly pulls: number;
  readonly comments: number;
  /** Issues that stand where a number was not in the snapshot: deleted, or a discussion's. */
  readonly gaps: number;
}

/**
 * Issues in the order of their numbers, so that these stay. Each is finished, comments and state,
 * before the next: only the last one that is there can be unfinished, and its comments are counted.
 */
export async function putIssues(
  target: Target,
  snapshot: SnapshotFolder,
  milestones: ReadonlySet<number>,
  onNumber: (number: number) => void,
): Promise<Issues> {
  const last = await lastIssue(target);
  const counts = { issues: 0, pulls: 0, comments: 0, gaps: 0 };
  const comments = await snapshot.group("issues/comments", "issue_number");
  let next = 1;
  try {
    for await (const issue of snapshot.lines("issues/issues")) {
      for (; next < Number(issue.number); next++) {
        counts.gaps++;
        await put(target, gap(next), [], last);
      }
      const said = await comments.of(next);
      await put(target, withKnownMilestone(issue, milestones), said, last);
      counts[isObject(issue.pull_request) ? "pulls" : "issues"]++;
      counts.comments += said.length;
      onNumber(next++);
    }
  } finally {
    await comments.close();
  }
  return counts;
}

/** One that the snapshot could not read cannot be put back, and would be refused. */
function withKnownMilestone(issue: JsonObject, known: ReadonlySet<number>): JsonObject {
  const { milestone } = issue;
  return isObject(milestone) && !known.has(Number(milestone.number))
    ? { ...issue, milestone: null }
    : issue;
}

async function lastIssue(target: Target): Promise<JsonObject> {
  const newest = { state: "all", sort: "created", direction: "desc", per_page: 1 };
  for await (const issue of target.items("/issues", newest)) return issue;
  return { number: 0, comments: 0 };
}

async function put(
  target: Target,
  issue: JsonObject,
  comments: readonly JsonObject[],
  last: JsonObject,
): Promise<void> {
  const number = Number(issue.number);
  if (number < Number(last.number)) return;
  const [body, ...rest] = quoted(wordFor(issue), issue);
  const texts = [...rest, ...comments.flatMap((comment) => quoted("Said", comment))];
  let there = Number(last.comments);
  let state = last;
  if (number > Number(last.number)) {
    const made = await target.change("POST", "/issues", { ...fieldsOf(issue), body: body! });
    target.expect(made, number, "issue");
    there = 0;
    state = made;
  }
  for (const text of texts.slice(there)) {
    await target.change("POST", "/issues/{issue_number}/comments", {
      issue_number: number,
      body: text,
    });
  }
  await finish(target, issue, state);
}

/** Brings an issue into the state it had, as far as it is not in it. */
async function finish(target: Target, issue: JsonObject, found: JsonObject): Promise<void> {
  const { number: issue_number, state, state_reason } = issue;
  if (state === "closed" && found.state !== "closed") {
    await target.change("PATCH", "/issues/{issue_number}", {
      ...{ issue_number, state },
      // A duplicate would need to say of what.
      state_reason: state_reason === "not_planned" ? state_reason : "completed",
    });
  }
  if (issue.locked === true && found.locked !== true) {
    await target.change("PUT", "/issues/{issue_number}/lock", { issue_number });
  }
}

function wordFor({ pull_request }: JsonObject): string {
  if (!isObject(pull_request)) return "Opened";
  const merged = typeof pull_request.merged_at === "string";
  return `Pull request, ${merged ? "merged later, " : ""}opened`;
}

function fieldsOf({ title, labels, milestone }: JsonObject): JsonObject {
  const names = Array.isArray(labels) ? labels.map((one) => (isObject(one) ? one.name! : one)) : [];
  return {
    title,
    ...(names.length === 0 ? {} : { labels: names }),
    ...(isObject(milestone) ? { milestone: milestone.number } : {}),
  };
}

function gap(number: number): JsonObject {
  return {
    number,
    title: `#${number} is not in the snapshot`,
    body: quotedNote("keeps the numbers of issues as they were"),
    state: "closed",
    state_reason: "not_planned",
  };
}
