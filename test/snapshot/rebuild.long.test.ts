import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { snapshotTo } from "../../src/operations/snapshot.ts";
import type { FakeRepository } from "./github/fake-github/repository.ts";
import { FakeGithub } from "./github/fake-github/server.ts";
import { fillWith, shapeOf } from "./github/many-issues.ts";
import { contentsOf, SnapshotWorld } from "./world.ts";

const ISSUES = 2000;
const OLD = "octo/website";
const NEW = "octo/again";

const REBUILD = `
  const { rebuild } = await import(process.env.MODULE);
  await rebuild({ ...JSON.parse(process.env.OPTIONS), env: { PATH: process.env.PATH } });
`;

describe("a repository with 2,000 issues", () => {
  const world = new SnapshotWorld();
  let fake: FakeGithub;
  let old: FakeRepository;
  const folder = () => path.join(world.root, "snapshot");
  beforeAll(async () => {
    await world.start();
    fake = await FakeGithub.start(world.token);
    world.createRepository(OLD);
    old = fake.create(OLD);
    fillWith(old, ISSUES);
  });
  afterAll(async () => {
    await fake?.close();
    await world.close();
  });

  const addresses = () => ({
    serverUrl: world.server.url,
    apiUrl: fake.url,
    graphqlUrl: `${fake.url}/graphql`,
    token: world.token,
    maxWait: 0,
  });

  test("gives the same bytes twice, with few of the 1,000 requests of an hour", async () => {
    const parts = { wiki: true, lfs: true, metadata: true, strict: true };
    const options = { ...addresses(), ...parts, repository: OLD, env: { PATH: process.env.PATH } };
    await snapshotTo(folder(), options);
    expect(fake.requests.length).toBeLessThanOrEqual(120);
    const again = path.join(world.root, "again");
    await snapshotTo(again, options);
    expect(contentsOf(again)).toEqual(contentsOf(folder()));
    expect(fake.violations).toEqual([]);
  });

  test("is rebuilt whole by a program that is killed again and again", async () => {
    world.createBare(NEW);
    const repository = fake.create(NEW);
    // More than a job's token has in an hour.
    fake.limit.remaining = Number.POSITIVE_INFINITY;
    const environment = {
      PATH: process.env.PATH,
      MODULE: new URL("../../src/operations/rebuild.ts", import.meta.url).href,
      OPTIONS: JSON.stringify({
        ...addresses(),
        ...{ folder: folder(), to: NEW, dryRun: false, pace: 0 },
      }),
    };
    for (const enough of [1, ISSUES / 4, ISSUES / 2, Number.POSITIVE_INFINITY]) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", REBUILD], {
        env: environment,
        stdio: ["ignore", "ignore", "inherit"],
      });
      fake.onChange = () => {
        if (repository.issues.length >= enough) child.kill("SIGKILL");
      };
      const [code, signal] = await once(child, "close");
      expect(code ?? signal).toBe(Number.isFinite(enough) ? "SIGKILL" : 0);
    }
    fake.onChange = undefined;
    expect(fake.violations).toEqual([]);
    expect(shapeOf(repository)).toEqual(shapeOf(old));
    world.git(world.bare(NEW), "fsck", "--strict");
  });
});
