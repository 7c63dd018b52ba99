import { type Git, GitFailure } from "./git.ts";

/** Every ref of a repository, as refs.json tells it. */
export interface Refs {
  /** The hash that names objects: `sha1` or `sha256`. */
  readonly objectFormat: string;
  /** The ref HEAD stands for, which is the default branch; null where HEAD is a commit itself. */
  readonly head: string | null;
  /** The commit HEAD comes to; null in an empty repository. */
  readonly commit: string | null;
  /** Object names by full ref name, in byte order of the names. Tags that are objects are those. */
  readonly refs: Readonly<Record<string, string>>;
}

export async function readRefs(git: Git): Promise<Refs> {
  const refs: Record<string, string> = {};
  for await (const line of git.lines(["for-each-ref", "--format=%(objectname) %(refname)"])) {
    const space = line.indexOf(" ");
    refs[line.slice(space + 1)] = line.slice(0, space);
  }
  return {
    objectFormat: (await git.run(["rev-parse", "--show-object-format"])).trim(),
    head: await unlessFails(git, ["symbolic-ref", "--quiet", "HEAD"]),
    commit: await unlessFails(git, ["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]),
    refs,
  };
}

async function unlessFails(git: Git, args: readonly string[]): Promise<string | null> {
  try {
    return (await git.run(args)).trim();
  } catch (error) {
    if (error instanceof GitFailure) return null;
    throw error;
  }
}
