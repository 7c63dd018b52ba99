import { constants } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RestbackupError } from "../../errors.ts";
import type { Git } from "../git.ts";
import type { Refs } from "../refs.ts";

/** The refs of a server by name, without HEAD and what tags stand for. Throws what git says. */
export async function remoteRefs(git: Git, url: string): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for await (const line of git.lines(["ls-remote", "--refs", "--", url])) {
    const [object, name] = line.split("\t");
    if (name !== undefined && name !== "HEAD") refs.set(name, object!);
  }
  return refs;
}

interface Bundle {
  readonly file: string;
  readonly refs: Refs;
  /** The folder `lfs` of a snapshot, where it has one. */
  readonly lfs?: string | undefined;
}

/**
 * Puts the refs of a bundle onto a server, objects of Git LFS first, and reads them back. Those below
 * refs/pull are left out: GitHub makes these itself, and lets nobody write there.
 *
 * @returns how many refs there are now, and how many were left out.
 */
export async function pushBundle(
  git: Git,
  { file, refs, lfs }: Bundle,
  url: string,
  folder: string,
): Promise<{ readonly pushed: number; readonly pulls: number }> {
  const all = Object.entries(refs.refs);
  const wanted = all.filter(([name]) => !name.startsWith("refs/pull/"));
  const counts = { pushed: wanted.length, pulls: all.length - wanted.length };
  if (isThere(await remoteRefs(git, url), wanted)) return counts;
  const clone = await unpack(git, file, refs.objectFormat, wanted, folder);
  await clone.run(["config", "remote.origin.url", url]);
  if (lfs !== undefined) {
    await cp(lfs, join(folder, "lfs"), { recursive: true, mode: constants.COPYFILE_FICLONE });
    await clone.run(["lfs", "push", "--all", "origin"]);
  }
  await clone.run(["push", "--quiet", "origin", "refs/*:refs/*"]);
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  if (isThere(await remoteRefs(git, url), wanted)) return counts;
  throw new RestbackupError("damaged", `${url} does not have the refs that were pushed to it.`);
}

function isThere(
  there: ReadonlyMap<string, string>,
  wanted: readonly (readonly [string, string])[],
): boolean {
  return wanted.every(([name, object]) => there.get(name) === object);
}

/** `git clone` would read a bundle as well, were any protocol but HTTP allowed to it here. */
async function unpack(
  git: Git,
  file: string,
  objectFormat: string,
  refs: readonly (readonly [string, string])[],
  folder: string,
): Promise<Git> {
  await mkdir(folder);
  const clone = git.in(folder);
  const format = `--object-format=${objectFormat}`;
  await clone.run(["init", "--quiet", "--bare", "--template=", format, "."]);
  await clone.run(["bundle", "unbundle", file]);
  const commands = refs.map(([name, object]) => `create ${name} ${object}\n`);
  for await (const _said of clone.stream(["update-ref", "--stdin"], lines(commands))) {
    // It says nothing of interest.
  }
  return clone;
}

async function* lines(commands: readonly string[]): AsyncGenerator<string> {
  yield* commands;
}
