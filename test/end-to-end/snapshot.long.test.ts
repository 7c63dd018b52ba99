import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { generateIdentity, parseKey } from "../../src/encryption/keys.ts";
import { rebuild } from "../../src/operations/rebuild.ts";
import { restore } from "../../src/operations/restore.ts";
import { snapshot } from "../../src/operations/snapshot.ts";
import { openStore } from "../../src/stores/open.ts";
import { FakeGithub } from "../snapshot/github/fake-github/server.ts";
import { fillWith, shapeOf } from "../snapshot/github/many-issues.ts";
import { showsProcesses, watchProcesses } from "../snapshot/processes.ts";
import { contentsOf, GIT_ENV, SnapshotWorld, write } from "../snapshot/world.ts";
import { requireProgram } from "../support/programs.ts";

const COMMITS = 10_000;
const LFS_OBJECTS = 40;
const ISSUES = 2_000;
const OLD = "octo-org/big";
const NEW = "octo-org/big-again";

let github: SnapshotWorld;
let api: FakeGithub;

beforeAll(async () => {
  github = await new SnapshotWorld().start();
  api = await FakeGithub.start(github.token);
});
afterAll(async () => {
  await api?.close();
  await github?.close();
});

/** A history in the words of git fast-import: branches, merges, tags, notes, submodules and LFS. */
function* history(pointers: readonly string[]): Generator<string> {
  const person = (n: number) => `Ada <ada@example.com> ${1_600_000_000 + n * 600} +0100`;
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  let mark = 0;
  const file = (name: string, content: string) => `M 100644 inline ${name}\n${data(content)}`;
  for (let n = 1; n <= COMMITS; n++) {
    const side = n % 50 === 49;
    const branch = side ? `refs/heads/topic-${Math.floor(n / 500)}` : "refs/heads/trunk";
    yield `commit ${branch}\nmark :${++mark}\nauthor ${person(n)}\ncommitter ${person(n)}\n`;
    yield data(`Change ${n}\n\n${"Because. ".repeat(n % 20)}`);
    if (n > 1) yield `from :${mark - (n % 50 === 0 ? 2 : 1)}\n`;
    // The commit after a side branch merges it.
    if (n % 50 === 0) yield `merge :${mark - 1}\n`;
    yield file(`src/part-${n % 97}/file-${n % 31}.txt`, `${"line\n".repeat(n % 60)}${n}\n`);
    if (n === 1) {
      yield file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
      yield file(".gitmodules", '[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n');
      yield `M 160000 ${"ab".repeat(20)} lib\n`;
    }
    const pointer = pointers[n / (COMMITS / LFS_OBJECTS)];
    if (pointer !== undefined) yield file(`media/${n % 7}.bin`, pointer);
    if (n % 100 === 0) {
      yield `tag v${n / 100}\nfrom :${mark}\ntagger ${person(n)}\n${data(`Version ${n / 100}`)}`;
    }
    if (n % 200 === 1) yield `reset refs/pull/${n}/head\nfrom :${mark}\n\n`;
  }
  const last = mark;
  yield `commit refs/notes/commits\nmark :${++mark}\ncommitter ${person(COMMITS)}\n${data("Notes")}`;
  yield `N inline :${last}\n${data("Reviewed by everybody.")}`;
  yield "done\n";
}

async function createBigRepository(name: string): Promise<string> {
  const bare = github.createBare(name);
  const pointers = Array.from(
    { length: LFS_OBJECTS },
    (_, n) => github.lfsObject(randomBytes(50_000 + n)).pointer,
  );
  const child = spawn("git", ["fast-import", "--quiet", "--done"], {
    cwd: bare,
    env: GIT_ENV,
    stdio: ["pipe", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  for (const part of history(["", ...pointers])) {
    if (!child.stdin.write(part)) await once(child.stdin, "drain");
  }
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
  return bare;
}

const refsOf = (folder: string) =>
  github.git(folder, "for-each-ref", "--format=%(objectname) %(refname)");

const lfs = requireProgram("git-lfs", "a big repository with LFS objects comes back whole");

it.runIf(lfs)(
  "10,000 commits and 2,000 issues with all that goes with them come back whole, the same twice, and are rebuilt",
  async () => {
    const bare = await createBigRepository(OLD);
    const wiki = github.createRepository(`${OLD}.wiki`);
    const wikiBare = github.bare(`${OLD}.wiki`);
    const there = api.create(OLD);
    fillWith(there, ISSUES);
    write(wiki, "Home.md", "# Welcome\n");
    expect(Number(github.git(bare, "rev-list", "--all", "--count"))).toBeGreaterThan(COMMITS);
    const { identity } = await generateIdentity();
    const key = await parseKey(identity);
    const store = await openStore(`file://${github.folder("store")}`, { env: {}, create: true });

    const addresses = {
      serverUrl: github.server.url,
      apiUrl: api.url,
      graphqlUrl: `${api.url}/graphql`,
      token: github.token,
      env: { PATH: process.env.PATH },
    };
    const take = async (name: string) => {
      const { result, seen } = await watchProcesses(() =>
        snapshot({
          store,
          key,
          name,
          repository: OLD,
          ...addresses,
          ...{ wiki: true, lfs: true, metadata: true, strict: true, maxWait: 0 },
        }),
      );
      if (showsProcesses) {
        const lines = [...seen];
        expect(lines.some((line) => line.includes("pack-objects"))).toBe(true);
        expect(lines.some((line) => line.includes("git-lfs"))).toBe(true);
        expect(lines.filter((line) => line.includes(github.token))).toEqual([]);
      }
      const to = path.join(github.folder(), "back");
      await restore({ store, key, entry: result.entry, to });
      return { to, gathered: result.gathered };
    };

    const { to, gathered } = await take("first");
    expect(gathered).toMatchObject({ incomplete: [], lfs: { objects: LFS_OBJECTS } });
    expect(gathered.submodules).toEqual([
      { path: "lib", name: "lib", url: "../lib.git", commit: "ab".repeat(20) },
    ]);
    const mirror = path.join(github.folder(), "mirror.git");
    github.git(to, "clone", "-q", "--mirror", "repository.bundle", mirror);
    github.git(mirror, "fsck", "--strict", "--full");
    expect(refsOf(mirror)).toBe(refsOf(bare));
    expect(refsOf(mirror).split("\n").length).toBeGreaterThan(150);
    expect(github.git(mirror, "notes", "show", "trunk")).toContain("Reviewed by everybody.");
    for (const [file, content] of contentsOf(path.join(to, "lfs", "objects"))) {
      expect(createHash("sha256").update(content).digest("hex")).toBe(path.basename(file));
    }
    for (const content of contentsOf(to).values())
      expect(content.includes(github.token)).toBe(false);

    github.git(bare, "repack", "-a", "-d", "-F", "-q", "--window=2", "--depth=2");
    const second = await take("second");
    expect(contentsOf(second.to)).toEqual(contentsOf(to));
    expect(api.violations).toEqual([]);

    github.createBare(NEW);
    github.createBare(`${NEW}.wiki`);
    const again = api.create(NEW);
    // More changes than a job's token has requests in an hour; and none of LFS is there beforehand.
    api.limit.remaining = Number.POSITIVE_INFINITY;
    const objects = [...contentsOf(path.join(to, "lfs", "objects"))];
    for (const [file] of objects) rmSync(github.server.lfsFile(path.basename(file)));
    await rebuild({ ...addresses, folder: to, to: NEW, dryRun: false, pace: 0, maxWait: 0 });
    expect(api.violations).toEqual([]);
    github.git(github.bare(NEW), "fsck", "--strict", "--full");
    // Heads of pull requests are GitHub's own to make.
    const made = (refs: string) => refs.split("\n").filter((line) => !line.includes(" refs/pull/"));
    expect(made(refsOf(github.bare(NEW)))).toEqual(made(refsOf(bare)));
    expect(made(refsOf(github.bare(`${NEW}.wiki`)))).toEqual(made(refsOf(wikiBare)));
    expect(shapeOf(again)).toEqual(shapeOf(there));
    for (const [file, content] of objects) {
      expect(readFileSync(github.server.lfsFile(path.basename(file))).equals(content)).toBe(true);
    }
  },
  600_000,
);
