import type { Any } from "./repository.ts";

/** A list as GraphQL has them: at most 100 at once, the rest after a cursor. */
export function connection(list: readonly Any[]) {
  return ({ first, after }: Any) => {
    if (!(first >= 1 && first <= 100)) throw new Error("`first` must be from 1 to 100");
    const start = after ? Number(after) : 0;
    const end = start + first;
    return {
      totalCount: list.length,
      nodes: list.slice(start, end),
      pageInfo: { hasNextPage: end < list.length, endCursor: String(end) },
    };
  };
}
