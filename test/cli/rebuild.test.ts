import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeRepository } from "../snapshot/github/fake-github/repository.ts";
import { FakeGithub } from "../snapshot/github/fake-github/server.ts";
import { showsProcesses, watchProcesses } from "../snapshot/processes.ts";
import { SnapshotWorld } from "../snapshot/world.ts";
import { World } from "./world.ts";

// One after the other: what the fake is told to do on a change is for one run at a time.
describe("with a snapshot in a folder", () => {
  const world = new World();
  const github = new SnapshotWorld();
  let fake: FakeGithub;
  let env: Record<string, string>;

  beforeAll(async () => {
    await github.start();
    world.hide(github.token);
    fake = await FakeGithub.start(github.token);
    github.createRepository("octo/website");
    const old = fake.create("octo/website");
    old.addLabel({ name: "bug", color: "d73a4a" });
    old.addIssue({ title: "It breaks", labels: ["bug"] });
    env = {
      GITHUB_SERVER_URL: github.server.url,
      GITHUB_API_URL: fake.url,
      GITHUB_GRAPHQL_URL: `${fake.url}/graphql`,
      GITHUB_TOKEN: github.token,
    };
    const args = ["snapshot", "octo/website", "--no-wiki", "--strict", "--to", "snapshot"];
    const { code, stderr } = await world.run(args, { env });
    expect([code, stderr]).toEqual([0, expect.anything()]);
  });
  afterAll(async () => {
    await fake?.close();
    await github.close();
    world.remove();
  });

  function createEmpty(name: string): FakeRepository {
    github.createBare(name);
    return fake.create(name);
  }

  const rebuild = (to: string, ...more: string[]) => ["rebuild", "snapshot", "--to", to, ...more];

  const refsOf = (name: string) =>
    github
      .git(github.bare(name), "for-each-ref", "--format=%(objectname) %(refname)")
      .split("\n")
      .filter((line) => !line.includes(" refs/pull/"));

  function expectRebuilt(name: string, repository: FakeRepository): void {
    expect(refsOf(name)).toEqual(refsOf("octo/website"));
    expect(repository.issues.map(({ number, title }) => [number, title])).toEqual([
      [1, "It breaks"],
    ]);
    expect(repository.labels.map((label) => label.name)).toEqual(["bug"]);
  }

  const changesIn = async (work: () => Promise<unknown>) => {
    const before = fake.requests.length;
    await work();
    return fake.requests.slice(before).filter((one) => !one.startsWith("GET"));
  };

  test("--dry-run says what would be put back, and changes nothing", async () => {
    createEmpty("octo/dry");
    const changes = await changesIn(async () => {
      const { code, stdout } = await world.run(rebuild("octo/dry", "--dry-run"), { env });
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^Would put octo\/website into/)]);
      expect(stdout).toContain("1 issue");
    });
    expect(changes).toEqual([]);
    expect(refsOf("octo/dry")).toEqual([""]);
  });

  test("killed in the middle, it goes on when it is run again, and shows its token nowhere", async () => {
    const repository = createEmpty("octo/again");
    const child = world.start(rebuild("octo/again"), { env });
    fake.onChange = () => {
      if (repository.labels.length > 0) child.kill("SIGKILL");
    };
    expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
    fake.onChange = undefined;
    expect(repository.labels.some(({ name }) => name === "restbackup-rebuild")).toBe(true);

    const file = world.file("token.txt", `${github.token}\n`);
    const { result, seen } = await watchProcesses(() =>
      world.json(rebuild("octo/again", "--token-file", file), {
        env: { ...env, GITHUB_TOKEN: "" },
      }),
    );
    expect(result).toMatchObject({ to: "octo/again", dryRun: false, resumed: true, issues: 1 });
    if (showsProcesses) {
      expect([...seen].some((line) => line.includes("rebuild"))).toBe(true);
      expect([...seen].filter((line) => line.includes(github.token))).toEqual([]);
    }
    expectRebuilt("octo/again", repository);
    expect(fake.violations).toEqual([]);
  });

  test("a repository that is not empty: 2, and nothing in it is changed", async () => {
    createEmpty("octo/full").addIssue({ title: "Mine" });
    const changes = await changesIn(async () => {
      const { code, stderr } = await world.run(rebuild("octo/full"), { env });
      expect([code, stderr]).toEqual([2, expect.stringContaining("is not empty: it has issues")]);
    });
    expect(changes).toEqual([]);
  });

  test("a repository that is not there, and a folder without a snapshot: 3", async () => {
    const nowhere = await world.run(rebuild("octo/nowhere"), { env });
    expect([nowhere.code, nowhere.stderr]).toEqual([
      3,
      expect.stringContaining("There is no repository octo/nowhere"),
    ]);
    const args = ["rebuild", "website", "--to", "octo/nowhere"];
    const { code, stderr } = await world.run(args, { env });
    expect([code, stderr]).toEqual([3, expect.stringContaining("There is no snapshot in")]);
    expect(stderr).toContain(join(world.work, "website"));
  });

  test("a wrong token: 6, without showing it", async () => {
    createEmpty("octo/refused");
    const wrong = world.hide(`ghs_${"wrong".repeat(6)}`);
    const { code, stderr } = await world.run(rebuild("octo/refused"), {
      env: { ...env, GITHUB_TOKEN: wrong },
    });
    expect([code, stderr]).toEqual([6, expect.stringContaining("GitHub answered 401")]);
  });

  test("no token, no OWNER/REPO, no --to: 2", async () => {
    const none = await world.run(rebuild("octo/x"), { env: { ...env, GITHUB_TOKEN: "" } });
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("There is no token")]);
    expect((await world.run(rebuild("website"), { env })).code).toBe(2);
    expect((await world.run(["rebuild", "snapshot"], { env })).code).toBe(2);
  });
});
