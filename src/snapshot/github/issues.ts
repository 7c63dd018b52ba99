import { connected } from "./connected.ts";
import { isObject, type JsonObject } from "./json.ts";
import { listOf, type Source } from "./source.ts";
import { tidy } from "./tidy.ts";

/** The oldest first: what comes while we read is at the end, and moves nothing to another page. */
const ALL = { state: "all", sort: "created", direction: "asc" };
const ALL_COMMENTS = { sort: "created", direction: "asc" };

/** Issues, and pull requests as far as they are issues: labels, milestone, assignees, state. */
export async function readIssues(source: Source): Promise<void> {
  const issues = listOf(source, "/issues", ALL);
  await source.shelf.write("issues/issues", reactedTo(source, issues, ofIssue));
}

/** Comments on issues and on pull requests, each with the number it belongs to. */
export async function readIssueComments(source: Source): Promise<void> {
  const { github, address } = source;
  const path = "/repos/{owner}/{repo}/issues/comments";
  const pages = github.pages(path, { ...address, ...ALL_COMMENTS });
  await source.shelf.write(
    "issues/comments",
    reactedTo(source, numbered(source, pages, "issue_url", "issue_number"), ofComment),
  );
}

/** What happened to issues and pull requests, the newest first, as GitHub has it. */
export async function readTimeline(source: Source): Promise<void> {
  const seen = new Set<unknown>();
  async function* events() {
    for await (const page of listOf(source, "/issues/events")) {
      // An event that happens meanwhile moves the others on, maybe to the page after.
      const fresh = page.filter(({ id }) => !seen.has(id));
      for (const { id } of fresh) seen.add(id);
      yield fresh.map(({ issue, ...event }) => ({
        ...event,
        issue_number: isObject(issue) ? issue.number : null,
      }));
    }
  }
  await source.shelf.write("issues/timeline", events());
}

export async function readPulls(source: Source): Promise<void> {
  async function* pulls() {
    for await (const page of listOf(source, "/pulls", ALL)) {
      for (const { node_id, number } of page) source.pulls.set(String(node_id), Number(number));
      yield page;
    }
  }
  await source.shelf.write("pulls/pulls", pulls());
}

export async function readReviewComments(source: Source): Promise<void> {
  const { github, address } = source;
  const path = "/repos/{owner}/{repo}/pulls/comments";
  const pages = github.pages(path, { ...address, ...ALL_COMMENTS });
  await source.shelf.write(
    "pulls/review-comments",
    reactedTo(
      source,
      numbered(source, pages, "pull_request_url", "pull_number"),
      ({ id }): JsonObject => ({ review_comment: id }),
    ),
  );
}

/** REST would take a request for each pull request. */
export async function readReviews(source: Source): Promise<void> {
  const { github, pulls, shelf } = source;
  const wanted = "databaseId author { login } state body submittedAt commit { oid }";
  const list = { type: "PullRequest", field: "reviews", wanted };
  async function* reviews() {
    yield [];
    for await (const { id, items } of connected(github, [...pulls.keys()], list)) {
      yield items.map(({ databaseId, author, submittedAt, commit, ...rest }) => ({
        ...rest,
        id: databaseId,
        pull_number: pulls.get(id),
        user: author,
        submitted_at: submittedAt,
        commit_id: isObject(commit) ? commit.oid : null,
      }));
    }
  }
  await shelf.write("pulls/reviews", reviews());
}

/** Who reacted how to what was found to have reactions. */
export async function readReactions({ github, reacted, shelf }: Source): Promise<void> {
  const wanted = "databaseId content createdAt user { login }";
  const list = { type: "Reactable", field: "reactions", wanted };
  async function* reactions() {
    yield [];
    for await (const { id, items } of connected(github, [...reacted.keys()], list)) {
      yield items.map(({ databaseId, content, createdAt, user }) => ({
        ...{ id: databaseId, content, user },
        created_at: createdAt,
        on: reacted.get(id),
      }));
    }
  }
  await shelf.write("reactions/reactions", reactions());
}

function ofIssue({ number }: JsonObject): JsonObject {
  return { issue: number };
}

function ofComment({ id }: JsonObject): JsonObject {
  return { comment: id };
}

async function* reactedTo(
  { reacted }: Source,
  pages: AsyncIterable<readonly JsonObject[]>,
  what: (item: JsonObject) => JsonObject,
): AsyncGenerator<readonly JsonObject[]> {
  for await (const page of pages) {
    for (const item of page) {
      const { reactions, node_id } = item;
      const some = isObject(reactions) && Number(reactions.total_count) > 0;
      if (some && typeof node_id === "string") reacted.set(node_id, what(item));
    }
    yield page;
  }
}

/** Puts the number into items that only name the address of what they belong to. */
async function* numbered(
  { apiUrl }: Source,
  pages: AsyncIterable<readonly JsonObject[]>,
  address: string,
  number: string,
): AsyncGenerator<readonly JsonObject[]> {
  for await (const page of pages) {
    yield page.map((item) => ({
      ...(tidy(item, apiUrl) as JsonObject),
      [number]: Number(String(item[address]).split("/").at(-1)),
    }));
  }
}
