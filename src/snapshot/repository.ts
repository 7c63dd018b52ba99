import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RestbackupError } from "../errors.ts";
import { grouped } from "../words.ts";
import { checkToken, type RepositoryAddress } from "./address.ts";
import { writeBundle } from "./bundle.ts";
import { Git, GitFailure } from "./git.ts";
import { type Environment, gitEnvironment, TOKEN_USER } from "./git-environment.ts";
import { fetchLfs, hasGitLfs } from "./lfs.ts";
import { findLfsObjects } from "./lfs-pointers.ts";
import { mirror } from "./mirror.ts";
import { readme } from "./readme.ts";
import { type Refs, readRefs } from "./refs.ts";
import { readSubmodules, type Submodule } from "./submodules.ts";

/** Something that belongs to the repository and could not be read. */
export interface Incomplete {
  /** `wiki`, `lfs`, or a kind of metadata such as `metadata/issues`. */
  readonly part: string;
  readonly reason: string;
}

/** Writes what git does not hold into `folder`, and tells what of it could not be read. */
type ExportMetadata = (folder: string) => Promise<readonly Incomplete[]>;

export interface GatherOptions {
  readonly address: RepositoryAddress;
  /** `https://github.com`, or that of a GitHub Enterprise Server. */
  readonly serverUrl: string;
  /** A secret; undefined for a repository that everybody may read. */
  readonly token?: string | undefined;
  /** An empty folder for the snapshot's files. */
  readonly folder: string;
  /** An empty folder for clones and their like, which are removed again. */
  readonly scratch: string;
  /** The machine's variables, of which git gets what it needs. */
  readonly env: Environment;
  readonly wiki: boolean;
  readonly lfs: boolean;
  /** Left out when undefined. */
  readonly exportMetadata?: ExportMetadata | undefined;
  /** Told what is being done, for a person. */
  readonly onStep?: ((doing: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Gathered {
  readonly refs: Refs;
  /** Undefined where there is none, or it was left out. */
  readonly wiki: Refs | undefined;
  readonly lfs: { readonly objects: number; readonly bytes: number };
  readonly submodules: readonly Submodule[];
  readonly incomplete: readonly Incomplete[];
}

/**
 * Writes a repository into a folder so that it could be rebuilt elsewhere: docs/snapshots.md says
 * what is in it. An unchanged repository gives the same bytes again. What could not be read is told
 * in the result and in the snapshot itself. Throws `not-found` for a repository that does not exist
 * or may not be read, `usage` for a token that is none, `damaged` for a bundle that cannot be read back.
 */
export async function gatherRepository(options: GatherOptions): Promise<Gathered> {
  const { scratch, serverUrl, token } = options;
  if (token !== undefined) checkToken(token);
  const home = join(scratch, "home");
  await mkdir(home);
  const git = new Git(scratch, {
    env: await gitEnvironment(options.env, { serverUrl, token }, home),
    secrets: token === undefined ? [] : [token, basic(token)],
    signal: options.signal,
  });
  try {
    await checkVersion(git);
    return await gather(options, git);
  } finally {
    // Never a clone of somebody's repository left behind.
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function gather(options: GatherOptions, git: Git): Promise<Gathered> {
  const { address, folder, serverUrl } = options;
  const clone = await cloneRepository(options, git);
  const refs = await writeParts(clone, "repository", options);
  const incomplete: Incomplete[] = [];
  const lfs = options.lfs ? await gatherLfs(clone, options, incomplete) : NO_LFS;
  const submodules = refs.commit === null ? [] : await readSubmodules(clone);
  await removeClone(clone);
  const wiki = options.wiki ? await gatherWiki(git, options, incomplete) : undefined;
  if (options.exportMetadata !== undefined) {
    options.onStep?.("Reading what git does not hold from the API");
    incomplete.push(...(await options.exportMetadata(folder)));
  }
  await writeJson(join(folder, "refs.json"), {
    repository: refs,
    ...(wiki === undefined ? {} : { wiki }),
  });
  if (submodules.length > 0) await writeJson(join(folder, "submodules.json"), submodules);
  await writeJson(join(folder, "snapshot.json"), {
    format: 1,
    server: serverUrl,
    repository: `${address.owner}/${address.repo}`,
    asked: {
      wiki: options.wiki,
      lfs: options.lfs,
      metadata: options.exportMetadata !== undefined,
    },
    incomplete,
  });
  const facts = {
    address,
    serverUrl,
    refs,
    wiki: wiki !== undefined,
    lfs: lfs.objects > 0,
    submodules: submodules.length > 0,
    metadata: options.exportMetadata !== undefined,
    incomplete,
  };
  await writeFile(join(folder, "README.md"), readme(facts));
  return { refs, wiki, lfs, submodules, incomplete };
}

const NO_LFS = { objects: 0, bytes: 0 };

async function cloneRepository(options: GatherOptions, git: Git): Promise<Git> {
  const { address, serverUrl, scratch, token, onStep } = options;
  const name = `${address.owner}/${address.repo}`;
  onStep?.(`Cloning ${serverUrl}/${name}, all refs`);
  const folder = join(scratch, "repository.git");
  const why = await mirror(git, `${serverUrl}/${name}.git`, folder, options.signal);
  if (why === undefined) return git.in(folder);
  const refused = why === "refused" && token !== undefined;
  throw new RestbackupError(
    "not-found",
    refused
      ? `${serverUrl} refuses to show ${name} to this token.`
      : `There is no repository ${name} at ${serverUrl}, or it is not visible ${token === undefined ? "without a token" : "to this token"}.`,
    { hint: "The token needs to read contents (in a workflow, permissions: contents: read)." },
  );
}

/** `repository.bundle` or `wiki.bundle`; an empty repository has none, for git makes no empty ones. */
async function writeParts(
  clone: Git,
  name: "repository" | "wiki",
  { folder, scratch, onStep }: GatherOptions,
): Promise<Refs> {
  const refs = await readRefs(clone);
  const count = Object.keys(refs.refs).length;
  if (count === 0) return refs;
  onStep?.(`Packing ${name}.bundle: ${grouped(count)} refs`);
  await writeBundle(
    clone,
    refs,
    join(folder, `${name}.bundle`),
    join(scratch, `${name}-empty.git`),
  );
  return refs;
}

async function gatherLfs(
  clone: Git,
  { folder, onStep }: GatherOptions,
  incomplete: Incomplete[],
): Promise<{ objects: number; bytes: number }> {
  const wanted = await findLfsObjects(clone);
  if (wanted.length === 0) return NO_LFS;
  if (!(await hasGitLfs(clone))) {
    const reason = `The program git-lfs is not installed, so ${wanted.length} Git LFS objects are missing.`;
    incomplete.push({ part: "lfs", reason });
    return NO_LFS;
  }
  onStep?.(`Fetching ${grouped(wanted.length)} Git LFS objects`);
  const { problem, ...fetched } = await fetchLfs(clone, wanted, join(folder, "lfs", "objects"));
  if (problem !== undefined) incomplete.push({ part: "lfs", reason: problem });
  return fetched;
}

async function gatherWiki(
  git: Git,
  options: GatherOptions,
  incomplete: Incomplete[],
): Promise<Refs | undefined> {
  const { address, serverUrl, scratch, token, onStep } = options;
  onStep?.("Cloning the wiki");
  const folder = join(scratch, "wiki.git");
  const url = `${serverUrl}/${address.owner}/${address.repo}.wiki.git`;
  try {
    const why = await mirror(git, url, folder, options.signal);
    // Without a token a server says "who are you?" to what does not exist, too; and the wiki of a
    // repository that everybody may read is open to everybody.
    if (why === "absent" || (why === "refused" && token === undefined)) return undefined;
    if (why === "refused") {
      incomplete.push({
        part: "wiki",
        reason: "The server refuses to show the wiki to this token.",
      });
      return undefined;
    }
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    incomplete.push({ part: "wiki", reason: `The wiki could not be cloned: ${error.message}` });
    return undefined;
  }
  const clone = git.in(folder);
  const refs = await writeParts(clone, "wiki", options);
  await removeClone(clone);
  return Object.keys(refs.refs).length === 0 ? undefined : refs;
}

/** Early, for the disk: the next clone needs room too. */
function removeClone({ folder }: Git): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Older ones do not know GIT_CONFIG_COUNT, and would go on with the machine's settings. */
async function checkVersion(git: Git): Promise<void> {
  const text = await git.run(["version"]);
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text)?.map(Number) ?? [];
  if (major! > 2 || (major === 2 && minor! >= 31)) return;
  throw new RestbackupError("io", `A snapshot needs git 2.31 or later; this is ${text.trim()}.`);
}

function basic(token: string): string {
  return Buffer.from(`${TOKEN_USER}:${token}`).toString("base64");
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
