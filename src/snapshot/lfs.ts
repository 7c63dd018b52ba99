import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { systemCode } from "../errors.ts";
import { type Git, GitFailure } from "./git.ts";
import type { LfsObject } from "./lfs-pointers.ts";

export interface FetchedLfs {
  /** Objects that are there, every one read and compared with its SHA-256. */
  readonly objects: number;
  readonly bytes: number;
  /** What is missing, and why; undefined when nothing is. */
  readonly problem: string | undefined;
}

const NAMED_OBJECTS = 10;

/** Whether the program git-lfs is there. */
export async function hasGitLfs(git: Git): Promise<boolean> {
  try {
    await git.run(["lfs", "version"]);
    return true;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

/**
 * Fetches the LFS objects of all refs with git-lfs, and moves them to `folder`, laid out as in a
 * repository's own lfs/objects: `ab/cd/abcd…`. What a server no longer has is told, not thrown.
 */
export async function fetchLfs(
  git: Git,
  wanted: readonly LfsObject[],
  folder: string,
): Promise<FetchedLfs> {
  const failure = await runFetch(git);
  const missing: string[] = [];
  let bytes = 0;
  for (const object of wanted) {
    const inner = join(object.oid.slice(0, 2), object.oid.slice(2, 4), object.oid);
    const file = join(git.folder, "lfs", "objects", inner);
    if (!(await isWhole(file, object))) {
      missing.push(object.oid);
      continue;
    }
    const target = join(folder, inner);
    await mkdir(dirname(target), { recursive: true });
    await rename(file, target);
    bytes += object.size;
  }
  return {
    objects: wanted.length - missing.length,
    bytes,
    problem: missing.length === 0 ? undefined : problemOf(missing, wanted.length, failure),
  };
}

async function runFetch(git: Git): Promise<GitFailure | undefined> {
  try {
    await git.run(["lfs", "fetch", "--all", "origin"]);
    return undefined;
  } catch (error) {
    if (error instanceof GitFailure) return error;
    throw error;
  }
}

async function isWhole(file: string, { oid, size }: LfsObject): Promise<boolean> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    await pipeline(createReadStream(file), async (content: AsyncIterable<Buffer>) => {
      for await (const chunk of content) {
        bytes += chunk.length;
        hash.update(chunk);
      }
    });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
  return bytes === size && hash.digest("hex") === oid;
}

/** In words that are the same each time, whatever order git-lfs met its failures in. */
function problemOf(
  missing: readonly string[],
  all: number,
  failure: GitFailure | undefined,
): string {
  const named = missing.slice(0, NAMED_OBJECTS).join(", ");
  const more = missing.length > NAMED_OBJECTS ? ", …" : "";
  const refused = /Authentication required|Authorization error|credentials/i;
  const why =
    failure === undefined
      ? ""
      : refused.test(failure.stderr)
        ? "the server refuses them to this token: "
        : /\b404\b|does not exist|Not Found/i.test(failure.stderr)
          ? "the server does not have them: "
          : "git-lfs could not fetch them: ";
  return `${missing.length} of ${all} Git LFS objects are missing; ${why}${named}${more}`;
}
