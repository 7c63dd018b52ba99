import { connected } from "./connected.ts";
import { isObject, type JsonObject } from "./json.ts";
import type { Source } from "./source.ts";

const DISCUSSIONS = `query Discussions($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: 100, after: $after, orderBy: {field: CREATED_AT, direction: ASC}) {
      nodes {
        id number title body url createdAt updatedAt closed locked
        author { login } category { name isAnswerable } answer { id } comments(first: 1) { totalCount }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

const COMMENT = "id body url createdAt updatedAt author { login }";

/** Discussions, their comments, and the replies to these: only GraphQL has them. */
export async function readDiscussions(source: Source): Promise<void> {
  const { github, shelf, settings } = source;
  if (settings.has_discussions === false) return;
  const discussed = new Map<string, JsonObject>();
  const answered = new Map<string, JsonObject>();
  await shelf.write("discussions/discussions", discussions(source, discussed));
  await shelf.write(
    "discussions/comments",
    (async function* () {
      yield [];
      const wanted = `${COMMENT} isAnswer replies(first: 1) { totalCount }`;
      const list = { type: "Discussion", field: "comments", wanted };
      for await (const { id, items } of connected(github, [...discussed.keys()], list)) {
        yield items.map((item) => counted(item, "replies", answered, discussed.get(id)!));
      }
    })(),
  );
  await shelf.write(
    "discussions/replies",
    (async function* () {
      yield [];
      const list = { type: "DiscussionComment", field: "replies", wanted: COMMENT };
      for await (const { id, items } of connected(github, [...answered.keys()], list)) {
        yield items.map((item) => ({ ...item, ...answered.get(id)!, in_reply_to: id }));
      }
    })(),
  );
}

async function* discussions(
  { github, address }: Source,
  discussed: Map<string, JsonObject>,
): AsyncGenerator<readonly JsonObject[]> {
  const { owner, repo: name } = address;
  let after: string | null = null;
  for (;;) {
    const { repository } = await github.graphql(DISCUSSIONS, { owner, name, after });
    const { nodes, pageInfo } = (repository as JsonObject).discussions as unknown as {
      nodes: JsonObject[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
    yield nodes.map((node) =>
      counted(node, "comments", discussed, { discussion_number: node.number }),
    );
    if (!pageInfo.hasNextPage) return;
    after = pageInfo.endCursor;
  }
}

/** Notes what has a list that is worth asking for. */
function counted(
  item: JsonObject,
  field: string,
  found: Map<string, JsonObject>,
  belongs: JsonObject,
): JsonObject {
  const { [field]: list, ...rest } = item;
  if (isObject(list) && Number(list.totalCount) > 0) found.set(String(item.id), belongs);
  return { ...rest, ...belongs };
}
