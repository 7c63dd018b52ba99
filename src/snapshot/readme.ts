import type { RepositoryAddress } from "./address.ts";
import type { Refs } from "./refs.ts";

/** What a snapshot holds, as far as bringing it back goes. */
export interface ReadmeFacts {
  readonly address: RepositoryAddress;
  readonly serverUrl: string;
  readonly refs: Refs;
  readonly wiki: boolean;
  readonly lfs: boolean;
  readonly submodules: boolean;
  readonly metadata: boolean;
  /** What could not be read. */
  readonly incomplete: readonly { readonly part: string; readonly reason: string }[];
}

/**
 * The README.md of a snapshot: how a stranger brings it back with git alone. Each block of commands
 * can be pasted as it is, in the order of the page.
 */
export function readme(facts: ReadmeFacts): string {
  const { address, serverUrl, refs, wiki, lfs, submodules, metadata } = facts;
  const full = `${address.owner}/${address.repo}`;
  const empty = Object.keys(refs.refs).length === 0;
  const sections = [
    `# Snapshot of ${full}`,
    `This folder holds the repository ${serverUrl}/${full} as it was when the snapshot was taken. Bringing it
back takes git${lfs ? " and git-lfs" : ""}, and nothing else.`,
    table(facts, empty),
    ...missing(facts),
    ...(empty
      ? ["The repository had no commits: there is no `repository.bundle`."]
      : [...workingTree(facts), ...everything(facts)]),
    ...(wiki ? wikiSection(facts) : []),
    ...(submodules
      ? [
          "## Submodules",
          `They are repositories of their own, and not in this snapshot. \`submodules.json\` says which commit of
which repository belongs at which path.`,
        ]
      : []),
    ...(metadata
      ? [
          "## Issues, pull requests, releases and the rest",
          `They are below \`metadata/\`, one folder a kind, as JSON Lines: one JSON document a line. \`restbackup rebuild\`
puts them into a new repository.`,
        ]
      : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

function table({ wiki, lfs, submodules, metadata }: ReadmeFacts, empty: boolean): string {
  const rows = [
    ...(empty
      ? []
      : [["`repository.bundle`", "all commits, branches, tags, notes and heads of pull requests"]]),
    ...(wiki ? [["`wiki.bundle`", "the wiki"]] : []),
    ...(lfs ? [["`lfs/objects/`", "the files that Git LFS keeps outside of git"]] : []),
    ["`refs.json`", "the name and commit of every branch, tag and other ref"],
    ...(submodules
      ? [["`submodules.json`", "the submodules, and which commit of each belongs"]]
      : []),
    ...(metadata
      ? [["`metadata/`", "what git does not hold: issues, pull requests, settings, …"]]
      : []),
    ["`snapshot.json`", "what was asked for, and what could not be read"],
  ];
  return ["| file | holds |", "| --- | --- |", ...rows.map((row) => `| ${row.join(" | ")} |`)].join(
    "\n",
  );
}

function missing({ incomplete }: ReadmeFacts): string[] {
  if (incomplete.length === 0) return [];
  const lines = incomplete.map(
    ({ part, reason }) => `- \`${part}\`: ${reason.replaceAll(/\s+/g, " ")}`,
  );
  return ["**It is not complete.** What could not be read:", lines.join("\n")];
}

function workingTree({ address: { repo }, refs, lfs }: ReadmeFacts): string[] {
  const folder = shellWord(`${repo}-files`);
  const branch = branchOf(refs);
  const options = branch === undefined ? "" : `--branch ${shellWord(branch)} `;
  return [
    "## The files, with their history",
    `In this folder, with a shell such as bash:`,
    block([
      `${lfs ? "GIT_LFS_SKIP_SMUDGE=1 " : ""}git clone ${options}repository.bundle ${folder}`,
      ...(lfs
        ? [
            `cp -R lfs ${folder}/.git/`,
            `(cd ${folder} && git lfs install --local && git lfs checkout)`,
          ]
        : []),
    ]),
  ];
}

function everything({ address: { repo }, refs, lfs }: ReadmeFacts): string[] {
  const folder = shellWord(`${repo}.git`);
  return [
    "## Everything, into a new repository",
    `Make a new, empty repository anywhere: no README, no license. Put its address here:`,
    block(["NEW=https://github.com/OWNER/REPO.git"]),
    `Unpack the bundle into a mirror. It holds every ref, as the repository did:`,
    block([
      `git clone --mirror repository.bundle ${folder}`,
      ...(refs.head === null ? [] : [`git -C ${folder} symbolic-ref HEAD ${shellWord(refs.head)}`]),
      `git -C ${folder} fsck`,
    ]),
    ...(lfs
      ? [
          "Files of Git LFS go first, because a server may refuse commits whose files it does not have:",
          block([`cp -R lfs ${folder}/`, `git -C ${folder} lfs push --all "$NEW"`]),
        ]
      : []),
    ...(Object.keys(refs.refs).some((name) => name.startsWith("refs/pull/"))
      ? [
          `GitHub makes \`refs/pull/\` itself and lets nobody write there, so those are taken out of the mirror. The
bundle still has them: \`git fetch repository.bundle refs/pull/1/head\` gets that of pull request 1.`,
          block([
            `git -C ${folder} for-each-ref --format='delete %(refname)' refs/pull | git -C ${folder} update-ref --stdin`,
          ]),
        ]
      : []),
    block([`git -C ${folder} push --mirror "$NEW"`]),
    ...(refs.head === null
      ? []
      : [
          `The default branch was \`${branchOf(refs) ?? refs.head}\`: choose it in the settings of the new repository.`,
        ]),
  ];
}

function wikiSection({ address: { repo } }: ReadmeFacts): string[] {
  const folder = shellWord(`${repo}.wiki.git`);
  return [
    "## The wiki",
    `A wiki is a repository beside the other one. On GitHub, switch it on and save a first page before this, for
only then does it exist; that page is replaced.`,
    block([
      `WIKI=https://github.com/OWNER/REPO.wiki.git`,
      `git clone --mirror wiki.bundle ${folder}`,
      `git -C ${folder} push --mirror "$WIKI"`,
    ]),
  ];
}

function branchOf({ head, commit }: Refs): string | undefined {
  const prefix = "refs/heads/";
  return commit !== null && head?.startsWith(prefix) ? head.slice(prefix.length) : undefined;
}

function block(lines: readonly string[]): string {
  return ["```sh", ...lines, "```"].join("\n");
}

/** Names of refs can hold most of what a shell takes for its own. */
function shellWord(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) && !text.startsWith("-")
    ? text
    : `'${text.replaceAll("'", "'\\''")}'`;
}
