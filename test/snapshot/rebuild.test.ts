import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RebuildOptions, rebuild } from "../../src/operations/rebuild.ts";
import { snapshotTo } from "../../src/operations/snapshot.ts";
import { requireProgram } from "../support/programs.ts";
import type { Any, FakeRepository } from "./github/fake-github/repository.ts";
import { FakeGithub } from "./github/fake-github/server.ts";
import { fill } from "./github/world.ts";
import { SnapshotWorld, write } from "./world.ts";

const OLD = "octo/website";

describe("rebuild", () => {
  const world = new SnapshotWorld();
  let fake: FakeGithub;
  let old: FakeRepository;
  let folder: string;
  beforeAll(async () => {
    await world.start();
    fake = await FakeGithub.start(world.token);
    const work = world.createRepository(OLD);
    world.createBare(`${OLD}.wiki`);
    world.git(work, "push", "-q", world.bare(`${OLD}.wiki`), "trunk");
    old = fake.create(OLD);
    fill(old);
    // Numbers of which there is no issue: one was deleted, some are discussions.
    const late = old.addIssue({ title: "After a gap" });
    late.number = 7;
    old.milestones.splice(0, 1);
    old.issues[0].milestone = null;
    folder = path.join(world.root, "snapshot");
    await snapshotTo(folder, { ...common(), repository: OLD, wiki: true, lfs: true });
  });
  afterAll(async () => {
    await fake?.close();
    await world.close();
  });

  const common = () => ({
    serverUrl: world.server.url,
    apiUrl: fake.url,
    graphqlUrl: `${fake.url}/graphql`,
    token: world.token,
    maxWait: 0,
    metadata: true,
    strict: true,
    env: { PATH: process.env.PATH },
  });

  const rebuildTo = (to: string, options: Partial<RebuildOptions> = {}) =>
    rebuild({ ...common(), folder, to, dryRun: false, pace: 0, ...options });

  function createEmpty(name: string): FakeRepository {
    world.createBare(name);
    world.createBare(`${name}.wiki`);
    const repository = fake.create(name);
    repository.addLabel({ name: "wontfix", color: "ffffff", default: true });
    fake.violations.length = 0;
    return repository;
  }

  const refsOf = (name: string) =>
    world
      .git(world.bare(name), "for-each-ref", "--format=%(objectname) %(refname)")
      .split("\n")
      .filter((line) => !line.includes("refs/pull/"));

  /** What must be the same in both, authors and dates aside. */
  const shapeOf = ({ labels, milestones, issues, comments, releases, assets }: FakeRepository) => ({
    labels: labels.map(({ name, color, description }) => [name, color, description ?? ""]).sort(),
    milestones: milestones.map(({ number, title, state, due_on }) => [
      number,
      title,
      state,
      due_on,
    ]),
    issues: issues.map((one) => [
      one.number,
      one.title,
      one.state,
      one.locked,
      one.labels.map(({ name }: Any) => name),
      one.milestone?.title,
    ]),
    comments: comments
      .map((one) => [Number(one.issue_url.split("/").at(-1)), one.body.split("\n\n").at(-1)])
      .sort(([a], [b]) => a - b),
    releases: releases
      .map((one) => [
        one.tag_name,
        one.name,
        one.draft,
        one.assets.map(({ id, name, label }: Any) => [name, label, String(assets.get(id))]).sort(),
      ])
      .sort(),
  });

  function expectRebuilt(name: string, repository: FakeRepository): void {
    expect(refsOf(name)).toEqual(refsOf(OLD));
    expect(refsOf(`${name}.wiki`)).toEqual(refsOf(`${OLD}.wiki`));
    world.git(world.bare(name), "fsck", "--strict");
    const { issues, ...rest } = shapeOf(repository);
    const { issues: wanted, ...others } = shapeOf(old);
    expect(rest).toEqual(others);
    expect(issues.filter(([number]) => number !== 5 && number !== 6)).toEqual(wanted);
    expect(issues.slice(4, 6).map((one) => one.slice(0, 3))).toEqual([
      [5, "#5 is not in the snapshot", "closed"],
      [6, "#6 is not in the snapshot", "closed"],
    ]);
    expect(repository.settings).toMatchObject({
      topics: ["backup", "website"],
      description: "What octo shows the world",
      default_branch: "trunk",
    });
  }

  test("puts commits, wiki, labels, milestones, issues and releases back", async () => {
    const repository = createEmpty("octo/again");
    const result = await rebuildTo("octo/again");
    expect(fake.violations).toEqual([]);
    expectRebuilt("octo/again", repository);
    expect(result).toMatchObject({
      ...{ issues: 4, pulls: 1, gaps: 2, comments: 3, labels: 2, milestones: 1 },
      ...{ releases: 2, assets: 2, resumed: false },
    });
    expect(result.left[0]).toMatch(/^2 refs below refs\/pull/);
  });

  test("says who wrote what and when, and notifies nobody", async () => {
    const repository = createEmpty("octo/quotes");
    await rebuildTo("octo/quotes");
    expect(repository.issues[0].body).toBe(
      "> **Opened by `ada` on 2024-05-06 07:08 UTC** · was https://github.com/octo/website/issues/1 · ❤️ 1 · assigned to `grace`\n\nLike @<!-- -->grace said:\n\n> never",
    );
    expect(repository.comments[0].body).toMatch(/^> \*\*Said by `grace` on .*\n\nI see it too$/);
    expect(repository.issues[1].body).toMatch(/^> \*\*Pull request, .*opened by `grace`/);
    for (const { assignees } of repository.issues) expect(assignees).toEqual([]);
  });

  test("goes on where it was ended, after whatever change, and does nothing twice", async () => {
    createEmpty("octo/count");
    const before = fake.requests.length;
    await rebuildTo("octo/count");
    const changes = fake.requests.slice(before).filter((one) => !one.startsWith("GET")).length;
    expect(changes).toBeGreaterThan(20);
    const repository = createEmpty("octo/ended");
    for (let round = 0; round < changes; round++) {
      // The server does what it is asked, and the program is ended before it hears of that.
      const stop = new AbortController();
      let left = round % 2;
      fake.onChange = () => {
        if (left-- === 0) stop.abort();
      };
      await rebuildTo("octo/ended", { signal: stop.signal }).catch((error: Any) => {
        expect(error.code).toBe("aborted");
      });
      if (!repository.labels.some(({ name }) => name === "restbackup-rebuild")) break;
    }
    fake.onChange = undefined;
    if (repository.labels.some(({ name }) => name === "restbackup-rebuild")) {
      expect((await rebuildTo("octo/ended")).resumed).toBe(true);
    }
    expect(fake.violations).toEqual([]);
    expectRebuilt("octo/ended", repository);
  });

  test("looks again after an answer that got lost", async () => {
    const repository = createEmpty("octo/lost");
    fake.loseAnswers(/^POST .*(issues|comments|assets|milestones)/, 8);
    await rebuildTo("octo/lost");
    expectRebuilt("octo/lost", repository);
  });

  test("refuses a repository that holds anything, and changes nothing in it", async () => {
    const fillers: [string, (repository: FakeRepository, name: string) => void][] = [
      [
        "branches or tags",
        (_one, name) => void world.git(world.bare(OLD), "push", "-q", world.bare(name), "trunk"),
      ],
      ["issues", (one) => one.addIssue({ title: "Mine" })],
      ["milestones", (one) => one.addMilestone({ title: "Mine" })],
      ["releases", (one) => one.addRelease({ tag_name: "mine" })],
    ];
    for (const [index, [what, put]] of fillers.entries()) {
      const name = `octo/full-${index}`;
      const repository = createEmpty(name);
      put(repository, name);
      const before = fake.requests.length;
      await expect(rebuildTo(name)).rejects.toMatchObject({
        code: "target-exists",
        message: `${name} is not empty: it has ${what}.`,
      });
      expect(fake.requests.slice(before).filter((one) => !one.startsWith("GET"))).toEqual([]);
    }
  });

  test("refuses a repository that it has finished, for it is not empty", async () => {
    createEmpty("octo/done");
    await rebuildTo("octo/done");
    await expect(rebuildTo("octo/done")).rejects.toMatchObject({ code: "target-exists" });
  });

  test("says what it would do, and does not", async () => {
    const repository = createEmpty("octo/dry");
    const before = fake.requests.length;
    const planned = await rebuildTo("octo/dry", { dryRun: true });
    expect(fake.requests.slice(before).filter((one) => !one.startsWith("GET"))).toEqual([]);
    expect(repository.issues).toEqual([]);
    const { left: _left, ...done } = await rebuildTo("octo/dry");
    expect(planned).toMatchObject(done);
  });

  test("names a folder without a snapshot, and a repository that is not there", async () => {
    const missing = rebuildTo("octo/again", { folder: world.folder() });
    await expect(missing).rejects.toMatchObject({ code: "not-found" });
    await expect(rebuildTo("octo/nowhere")).rejects.toThrow("There is no repository octo/nowhere");
  });

  test("sends no file that a forged snapshot points to outside of it", async () => {
    const forged = path.join(world.root, "forged");
    fs.cpSync(folder, forged, { recursive: true });
    write(world.root, "secret.txt", "a secret");
    const file = path.join(forged, "metadata/releases/releases.jsonl");
    const text = fs.readFileSync(file, "utf8");
    fs.writeFileSync(file, text.replaceAll(/"file":"[^"]*"/g, '"file":"../../secret.txt"'));
    const repository = createEmpty("octo/forged");
    const { left } = await rebuildTo("octo/forged", { folder: forged });
    expect(repository.assets.size).toBe(0);
    expect(left.join()).toContain("v1.0/site.zip");
  });
});

test.runIf(requireProgram("git-lfs", "LFS objects come back by rebuild"))(
  "rebuild puts LFS objects back before the commits that need them",
  async () => {
    const world = await new SnapshotWorld().start();
    const fake = await FakeGithub.start(world.token);
    const work = world.createRepository(OLD);
    const content = Buffer.from("a large file");
    const { oid, pointer } = world.lfsObject(content);
    write(work, "large.bin", pointer);
    world.git(work, "add", "-A");
    world.git(work, "commit", "-q", "-m", "Add a large file");
    world.git(work, "push", "-q", world.bare(OLD), "trunk");
    fake.create(OLD);
    const options = {
      serverUrl: world.server.url,
      apiUrl: fake.url,
      graphqlUrl: `${fake.url}/graphql`,
      token: world.token,
      maxWait: 0,
      env: { PATH: process.env.PATH },
    };
    const folder = path.join(world.root, "snapshot");
    const parts = { wiki: false, lfs: true, metadata: false, strict: true };
    await snapshotTo(folder, { ...options, ...parts, repository: OLD });
    fs.rmSync(world.server.lfsFile(oid));
    world.createBare("octo/again");
    fake.create("octo/again");
    await rebuild({ ...options, folder, to: "octo/again", dryRun: false, pace: 0 });
    expect(fs.readFileSync(world.server.lfsFile(oid))).toEqual(content);
    await fake.close();
    await world.close();
  },
);
