import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkPack } from "../../src/snapshot/bundle.ts";
import { contentsOf, SnapshotWorld } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

const refsOf = (folder: string) =>
  world.git(folder, "for-each-ref", "--format=%(objectname) %(refname)");

describe("a repository with branches, tags, notes and pull requests", () => {
  let work: string;

  beforeAll(() => {
    work = world.createRepository("octo/website");
  });

  test("comes back from its bundle with every ref, and nothing amiss", async () => {
    const { folder, refs, incomplete, wiki } = await world.gather("octo/website");
    const back = world.folder();
    world.git(back, "clone", "-q", "--mirror", path.join(folder, "repository.bundle"), "back.git");
    const mirror = path.join(back, "back.git");
    expect(refsOf(mirror)).toBe(refsOf(world.bare("octo/website")));
    for (const ref of ["refs/notes/commits", "refs/pull/2/head", "refs/tags/blob"]) {
      expect(refsOf(mirror)).toContain(` ${ref}\n`);
    }
    expect(world.git(mirror, "fsck", "--strict")).toBe("");
    expect(refs.head).toBe("refs/heads/trunk");
    expect(refs.commit).toBe(world.git(work, "rev-parse", "trunk").trim());
    const written = JSON.parse(fs.readFileSync(path.join(folder, "refs.json"), "utf8"));
    const listed = Object.entries(written.repository.refs).map(([name, id]) => `${id} ${name}\n`);
    expect(listed.join("")).toBe(refsOf(mirror));
    expect([incomplete, wiki]).toEqual([[], undefined]);
    expect([...contentsOf(folder).keys()]).toEqual([
      "README.md",
      "refs.json",
      "repository.bundle",
      "snapshot.json",
    ]);
  });

  test("gives the same bytes again, also when the server packs it otherwise in between", async () => {
    const first = await world.gather("octo/website");
    const before = contentsOf(first.folder);
    expect(contentsOf((await world.gather("octo/website")).folder)).toEqual(before);
    const bare = world.bare("octo/website");
    for (const window of ["0", "100"]) {
      world.git(bare, "repack", "-a", "-d", "-F", `--window=${window}`, "--depth=3", "-q");
      expect(contentsOf((await world.gather("octo/website")).folder)).toEqual(before);
    }
  });

  test("leaves no clone behind", async () => {
    const { scratch } = await world.gather("octo/website");
    expect(fs.existsSync(scratch)).toBe(false);
  });
});

test("an empty repository has a snapshot without a bundle", async () => {
  world.createBare("octo/empty");
  const { folder, refs } = await world.gather("octo/empty");
  expect(refs).toMatchObject({ head: "refs/heads/trunk", commit: null, refs: {} });
  expect([...contentsOf(folder).keys()]).toEqual(["README.md", "refs.json", "snapshot.json"]);
});

test("a HEAD that is a commit, one of a missing branch, and names by SHA-256 are kept", async () => {
  const cases = {
    "octo/detached": (bare: string) => {
      const commit = world.git(bare, "commit-tree", "-m", "Alone", "HEAD^{tree}").trim();
      world.git(bare, "update-ref", "--no-deref", "HEAD", commit);
      return { head: null, commit };
    },
    "octo/unborn": (bare: string) => {
      world.git(bare, "symbolic-ref", "HEAD", "refs/heads/none");
      return { commit: null };
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    world.createRepository(name);
    const expected = change(world.bare(name));
    const { folder, refs } = await world.gather(name);
    expect(refs).toMatchObject(expected);
    const back = path.join(world.folder(), "back.git");
    world.git(folder, "clone", "-q", "--mirror", "repository.bundle", back);
    expect(refsOf(back)).toBe(refsOf(world.bare(name)));
    if (expected.commit !== null) world.git(back, "cat-file", "-e", expected.commit);
  }
  const bare = world.createBare("octo/sha256", "--object-format=sha256");
  const tree = world.git(bare, "hash-object", "-t", "tree", "-w", "/dev/null").trim();
  const commit = world.git(bare, "commit-tree", "-m", "Begin", tree).trim();
  world.git(bare, "update-ref", "refs/heads/trunk", commit);
  const { folder, refs } = await world.gather("octo/sha256");
  expect(refs).toMatchObject({ objectFormat: "sha256", commit });
  expect(world.git(folder, "bundle", "list-heads", "repository.bundle")).toContain(commit);
});

test("a bundle in which a bit has flipped is noticed", async () => {
  world.createRepository("octo/flip");
  const { folder } = await world.gather("octo/flip");
  const bundle = path.join(folder, "repository.bundle");
  const content = fs.readFileSync(bundle);
  await checkPack(bundle, "sha1");
  for (const at of [content.indexOf("PACK") + 30, content.length - 1]) {
    const flipped = Buffer.from(content);
    flipped[at]! ^= 4;
    fs.writeFileSync(bundle, flipped);
    await expect(checkPack(bundle, "sha1")).rejects.toMatchObject({ code: "damaged" });
  }
  fs.writeFileSync(bundle, content.subarray(0, -1));
  await expect(checkPack(bundle, "sha1")).rejects.toMatchObject({ code: "damaged" });
});

test("what a replacement hides is in the bundle all the same", async () => {
  const work = world.createRepository("octo/replaced");
  const [hidden] = world.git(work, "rev-list", "--max-parents=0", "trunk").trim().split("\n");
  const other = world.git(work, "commit-tree", "-m", "Another beginning", "trunk^{tree}").trim();
  world.git(work, "replace", hidden!, other);
  world.git(work, "push", "-q", "--mirror", world.bare("octo/replaced"));
  const { folder } = await world.gather("octo/replaced");
  const back = path.join(world.folder(), "back.git");
  world.git(folder, "clone", "-q", "--mirror", "repository.bundle", back);
  expect(refsOf(back)).toContain(`${other} refs/replace/${hidden}`);
  expect(world.git(back, "--no-replace-objects", "log", "-1", "--format=%s", hidden!)).toBe(
    "Begin\n",
  );
});

describe("the way to the server", () => {
  beforeAll(() => {
    world.createRepository("octo/way");
  });

  test("a server that is busy for a moment is asked again", async () => {
    world.server.failNext(1);
    await world.gather("octo/way", { wiki: false });
  });

  test("a repository that has another name by now is found by its old one", async () => {
    world.server.redirect("octo/was", `${world.server.url}/octo/way`);
    const { refs } = await world.gather("octo/was");
    expect(refs).toEqual((await world.gather("octo/way")).refs);
  });

  test("a wrong token, none, and one that may not read are refused in words", async () => {
    await expect(world.gather("octo/way", { token: "ghs_wrong" })).rejects.toMatchObject({
      code: "not-found",
      message: `${world.server.url} refuses to show octo/way to this token.`,
    });
    await expect(world.gather("octo/way", { token: undefined })).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("not visible without a token"),
    });
    world.createRepository("octo/closed");
    world.server.forbidden.add("octo/closed");
    await expect(world.gather("octo/closed")).rejects.toMatchObject({ code: "not-found" });
  });

  test("a failure leaves no clone behind either", async () => {
    const scratch = world.folder();
    await expect(world.gather("octo/none", { scratch })).rejects.toThrow("There is no repository");
    expect(fs.existsSync(scratch)).toBe(false);
  });

  test("a caller that stops it stops git, and leaves no clone behind", async () => {
    const stop = new AbortController();
    const scratch = world.folder();
    const onStep = () => setTimeout(() => stop.abort(new Error("enough")), 20);
    const gathering = world.gather("octo/way", { scratch, signal: stop.signal, onStep });
    await expect(gathering).rejects.toThrow("enough");
    expect(fs.existsSync(scratch)).toBe(false);
    await expect.poll(() => processesIn(scratch), { timeout: 5000 }).toEqual([]);
  });

  test("settings, credentials and hooks of the machine have no part in it", async () => {
    const home = world.folder();
    const marker = path.join(home, "ran");
    const hook = `#!/bin/sh\ntouch ${marker}\n`;
    fs.mkdirSync(path.join(home, "hooks"));
    fs.writeFileSync(path.join(home, "hooks", "reference-transaction"), hook, { mode: 0o755 });
    fs.writeFileSync(
      path.join(home, ".gitconfig"),
      `[core]\n\thooksPath = ${home}/hooks\n[credential]\n\thelper = !touch ${marker};\n` +
        `[url "http://127.0.0.1:1/"]\n\tinsteadOf = ${world.server.url}\n`,
    );
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      XDG_CONFIG_HOME: home,
      GIT_CONFIG_GLOBAL: path.join(home, ".gitconfig"),
      GIT_CONFIG_PARAMETERS: `'core.hooksPath'='${home}/hooks'`,
      GIT_DIR: "/nonexistent",
      GIT_ASKPASS: `${home}/hooks/reference-transaction`,
    };
    const { incomplete } = await world.gather("octo/way", { env });
    expect(incomplete).toEqual([]);
    expect(fs.existsSync(marker)).toBe(false);
  });
});

/** Command lines of processes that work in a folder; none where there is no /proc to look at. */
function processesIn(folder: string): string[] {
  if (!fs.existsSync("/proc/self/cwd")) return [];
  return fs.readdirSync("/proc").flatMap((pid) => {
    try {
      if (!fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)) return [];
      return [fs.readFileSync(`/proc/${pid}/cmdline`, "latin1")];
    } catch {
      return [];
    }
  });
}
