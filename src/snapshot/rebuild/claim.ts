import { createHash } from "node:crypto";
import { RestbackupError } from "../../errors.ts";
import { jsonLine } from "../github/json.ts";
import type { SnapshotFolder } from "./snapshot-folder.ts";
import type { Target } from "./target.ts";

/** The label that says whose work is going on; it is removed at the end. */
export const MARK = "restbackup-rebuild";

/** Whether a repository is new, or holds what an earlier run of this rebuild left. */
export type Claim = "empty" | "ours";

/**
 * Looks at a repository that is to be filled. Throws `target-exists` for one that holds anything,
 * unless an earlier run of the same rebuild put it there.
 *
 * @param refs how many refs it has.
 */
export async function examine(
  target: Target,
  snapshot: SnapshotFolder,
  refs: number,
): Promise<Claim> {
  for await (const { name, description } of target.items("/labels")) {
    if (name !== MARK) continue;
    if (description === markOf(snapshot)) return "ours";
    throw taken(target, "another snapshot is being rebuilt in it");
  }
  if (refs > 0) throw taken(target, "it has branches or tags");
  for (const kind of ["issues", "milestones"]) {
    for await (const _one of target.items(`/${kind}`, { state: "all", per_page: 1 })) {
      throw taken(target, `it has ${kind}`);
    }
  }
  for await (const _one of target.items("/releases", { per_page: 1 })) {
    throw taken(target, "it has releases");
  }
  return "empty";
}

export async function claim(target: Target, snapshot: SnapshotFolder): Promise<void> {
  const description = markOf(snapshot);
  await target.change("POST", "/labels", { name: MARK, color: "5319e7", description });
}

export async function release(target: Target): Promise<void> {
  await target.change("DELETE", "/labels/{name}", { name: MARK });
}

/** At most 100 characters, as GitHub has it. */
function markOf({ repository, refs }: SnapshotFolder): string {
  const digest = createHash("sha256")
    .update(jsonLine([repository, JSON.parse(JSON.stringify(refs))]))
    .digest("hex");
  return `Being rebuilt from snapshot ${digest.slice(0, 32)}`;
}

function taken(target: Target, why: string): RestbackupError {
  return new RestbackupError("target-exists", `${target.name} is not empty: ${why}.`, {
    hint: "Make a new repository without README and license, and give that one. Nothing was changed.",
  });
}
