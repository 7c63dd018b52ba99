import { type Git, GitFailure } from "./git.ts";

/** A submodule at the default branch, as submodules.json tells it. */
export interface Submodule {
  /** Where it belongs, below the root of the working tree. */
  readonly path: string;
  /** Its name and url in .gitmodules, as written there; null where that file does not know it. */
  readonly name: string | null;
  readonly url: string | null;
  /** The branch it follows, where one is named. */
  readonly branch?: string;
  /** The commit of it that belongs here. */
  readonly commit: string;
}

/** What a tree calls a submodule: an entry of this mode (gitformat-index). */
const GITLINK = "160000";

/** The submodules that HEAD pins, by path. None are cloned: they are repositories of their own. */
export async function readSubmodules(git: Git): Promise<Submodule[]> {
  const pins: { path: string; commit: string }[] = [];
  for await (const entry of git.lines(["ls-tree", "-r", "-z", "--full-tree", "HEAD"], "\0")) {
    const [, mode, commit, path] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(entry) ?? [];
    if (mode === GITLINK) pins.push({ path: path!, commit: commit! });
  }
  if (pins.length === 0) return [];
  const known = await readGitmodules(git);
  return pins.map(({ path, commit }) => {
    const module = known.get(path);
    return {
      path,
      name: module?.name ?? null,
      url: module?.url ?? null,
      ...(module?.branch === undefined ? {} : { branch: module.branch }),
      commit,
    };
  });
}

interface Module {
  readonly name: string;
  path?: string;
  url?: string;
  branch?: string;
}

/** The submodules of .gitmodules at HEAD by path; none where it is missing or cannot be parsed. */
async function readGitmodules(git: Git): Promise<Map<string, Module>> {
  const modules = new Map<string, Module>();
  const list = ["config", "-z", "--blob", "HEAD:.gitmodules", "--list"];
  try {
    for await (const entry of git.lines(list, "\0")) {
      const match = /^submodule\.(.+)\.(path|url|branch)\n(.*)$/s.exec(entry);
      if (match === null) continue;
      const [, name, field, value] = match as unknown as [string, string, keyof Module, string];
      const module = modules.get(name) ?? { name };
      modules.set(name, { ...module, [field]: value });
    }
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
  }
  return new Map(
    [...modules.values()].flatMap((one) => (one.path === undefined ? [] : [[one.path, one]])),
  );
}
