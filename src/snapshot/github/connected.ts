import type { Github } from "./client.ts";
import { GithubFailure } from "./failure.ts";
import type { JsonObject } from "./json.ts";

interface Connection {
  readonly nodes: readonly JsonObject[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** Lists that things of a type have: the reactions to a Reactable, the reviews of a PullRequest. */
interface ListOf {
  readonly type: string;
  readonly field: string;
  /** What is wanted of each item, in GraphQL. */
  readonly wanted: string;
}

/** How many things are asked for at once: GitHub bills it as one request (GraphQL rate limits). */
const TOGETHER = 50;

/**
 * The lists of many things by their node ids, many in one request where REST would take one for each.
 * Throws {@link GithubFailure} at the end when some could not be read.
 */
export async function* connected(
  github: Github,
  ids: readonly string[],
  list: ListOf,
): AsyncGenerator<{ readonly id: string; readonly items: readonly JsonObject[] }> {
  let hidden = 0;
  for (let start = 0; start < ids.length; start += TOGETHER) {
    const batch = ids.slice(start, start + TOGETHER);
    const answer = await github.graphql(queryOf(list, "nodes", "ids: $ids", "$ids: [ID!]!"), {
      ids: batch,
    });
    const nodes = answer.nodes as readonly (JsonObject | null)[];
    for (const [index, id] of batch.entries()) {
      const connection = nodes[index]?.[list.field] as Connection | undefined;
      if (connection === undefined) {
        hidden++;
        continue;
      }
      const items = [...connection.nodes];
      for await (const more of rest(github, id, list, connection)) items.push(...more);
      yield { id, items };
    }
  }
  if (hidden > 0) throw new GithubFailure(404, `${hidden} of ${ids.length} are not shown`);
}

async function* rest(
  github: Github,
  id: string,
  list: ListOf,
  first: Connection,
): AsyncGenerator<readonly JsonObject[]> {
  let { pageInfo } = first;
  const query = queryOf(list, "node", "id: $id", "$id: ID!, $after: String", ", after: $after");
  while (pageInfo.hasNextPage) {
    const { node } = await github.graphql(query, { id, after: pageInfo.endCursor });
    const next = (node as JsonObject)[list.field] as unknown as Connection;
    yield next.nodes;
    pageInfo = next.pageInfo;
  }
}

function queryOf(
  { type, field, wanted }: ListOf,
  root: string,
  argument: string,
  variables: string,
  after = "",
): string {
  return `query Connected(${variables}) { ${root}(${argument}) { ... on ${type} {
    ${field}(first: 100${after}) { nodes { ${wanted} } pageInfo { hasNextPage endCursor } }
  } } }`;
}
