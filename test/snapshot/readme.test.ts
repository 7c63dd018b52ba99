import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { contentsOf, GIT_ENV, SnapshotWorld, write } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

/** What a person pastes: every block of commands, in order. */
function blocksOf(readme: string): string[] {
  return [...readme.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands!);
}

/** Follows the page in its folder, with the addresses of new repositories put in where it says so. */
async function follow(folder: string, addresses: Record<string, string>): Promise<void> {
  const readme = fs.readFileSync(path.join(folder, "README.md"), "utf8");
  let script = blocksOf(readme).join("\n");
  for (const [printed, real] of Object.entries(addresses)) {
    expect(script).toContain(printed);
    script = script.replace(printed, real);
  }
  // Not synchronously: the server is in this process.
  await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    env: {
      ...GIT_ENV,
      HOME: world.folder("home"),
      // The person's own password store.
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "credential.helper",
      GIT_CONFIG_VALUE_0: `!f() { echo username=x-access-token; echo password=${world.token}; }; f`,
    },
  });
}

const refsOf = (name: string) =>
  world.git(world.bare(name), "for-each-ref", "--format=%(objectname) %(refname)");

/** Wikis, and repositories in which nobody asked for a pull, have none. */
function dropPulls(name: string): void {
  for (const number of [1, 2]) {
    world.git(world.bare(name), "update-ref", "-d", `refs/pull/${number}/head`);
  }
}

const lfs = requireProgram("git-lfs", "a stranger can follow the page of a repository with LFS");

test.runIf(lfs)("a stranger brings everything back by the page, word for word", async () => {
  const work = world.createRepository("octo/full");
  world.createRepository("octo/full.wiki");
  dropPulls("octo/full.wiki");
  const content = randomBytes(3000);
  const { oid, pointer } = world.lfsObject(content);
  write(work, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
  write(work, "media/big.bin", pointer);
  world.git(work, "add", "-A");
  world.git(work, "commit", "-q", "-m", "Add media");
  world.git(work, "push", "-q", world.bare("octo/full"), "trunk");
  const { folder } = await world.gather("octo/full");
  // The old server is gone, with all it had.
  const before = { refs: refsOf("octo/full"), wiki: refsOf("octo/full.wiki") };
  fs.rmSync(world.bare("octo/full"), { recursive: true });
  fs.rmSync(world.bare("octo/full.wiki"), { recursive: true });
  fs.rmSync(world.server.lfsFile(oid));
  world.createBare("new/home");
  world.createBare("new/home.wiki");

  await follow(folder, {
    "https://github.com/OWNER/REPO.git": `${world.server.url}/new/home.git`,
    "https://github.com/OWNER/REPO.wiki.git": `${world.server.url}/new/home.wiki.git`,
  });

  expect(fs.readFileSync(path.join(folder, "full-files", "media", "big.bin"))).toEqual(content);
  expect(world.git(path.join(folder, "full-files"), "branch", "--show-current")).toBe("trunk\n");
  const withoutPulls = before.refs.replaceAll(/^.* refs\/pull\/.*\n/gm, "");
  expect(withoutPulls).not.toBe(before.refs);
  expect(refsOf("new/home")).toBe(withoutPulls);
  expect(refsOf("new/home.wiki")).toBe(before.wiki);
  expect(fs.readFileSync(world.server.lfsFile(oid))).toEqual(content);
  world.git(world.bare("new/home"), "fsck", "--strict");
});

test("a plain repository with a quote in its default branch comes back by its page too", async () => {
  const work = world.createRepository("octo/odd");
  const branch = "it's-$HOME;main";
  world.git(work, "branch", branch);
  world.git(work, "push", "-q", world.bare("octo/odd"), branch);
  world.git(world.bare("octo/odd"), "symbolic-ref", "HEAD", `refs/heads/${branch}`);
  dropPulls("octo/odd");
  const { folder } = await world.gather("octo/odd");
  const before = refsOf("octo/odd");
  world.createBare("new/odd");
  await follow(folder, { "https://github.com/OWNER/REPO.git": `${world.server.url}/new/odd.git` });
  expect(refsOf("new/odd")).toBe(before);
  const files = path.join(folder, "odd-files");
  expect(world.git(files, "branch", "--show-current")).toBe(`${branch}\n`);
  expect([...contentsOf(files).keys()]).toContain("index.html");
});

test("the page of an empty repository has no commands that could not work", async () => {
  world.createBare("octo/nothing");
  const { folder } = await world.gather("octo/nothing");
  const readme = fs.readFileSync(path.join(folder, "README.md"), "utf8");
  expect(blocksOf(readme)).toEqual([]);
  expect(readme).toContain("The repository had no commits");
});
