import fs from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { generateSigningKey } from "../../src/encryption/signing.ts";
import { createAccount } from "../../src/server/accounts.ts";
import { fenced, read } from "../docs/documents.ts";
import { FakeGithub } from "../snapshot/github/fake-github/server.ts";
import { fill } from "../snapshot/github/world.ts";
import { SnapshotWorld } from "../snapshot/world.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { differences, treeOf } from "../support/trees.ts";
import { runAction } from "./harness.ts";
import type { Trigger } from "./workflow/document.ts";
import { MONOREPO, WEBSITE, writeFiles } from "./workflow/project.ts";
import { type JobRun, runWorkflow, type WorkflowRun } from "./workflow/run.ts";

const DEPLOY_TOKEN = "deploy-token-1234";

const jq = requireProgram("jq", "the gallery's workflow for a monorepo runs");

const workflows = new Map(
  fenced(read("README.md"), "yaml").map((text) => [String(parse(text).name), text]),
);

const github = new SnapshotWorld();
let api: FakeGithub;
let server: TestServer;
let identity: string;
let recipient: string;

beforeAll(async () => {
  server = await startServer({ tls: true });
  await github.start();
  api = await FakeGithub.start(github.token);
  ({ identity, recipient } = await generateIdentity());
});

afterAll(async () => {
  await server?.close();
  await api?.close();
  await github.close();
});

/** A new account of the store, by its access url. */
async function createStore(): Promise<string> {
  const { username, password } = await createAccount(server.dataDir, { retentionDays: 30 });
  return server.url.replace("://", `://${username}:${password}@`);
}

/** Where the files lie of which an entry of a store consists; here always one. */
function stored(accessUrl: string, entry: string): string {
  return path.join(server.dataDir, "archives", new URL(accessUrl).username, entry);
}

let repositories = 0;

/** A repository with some files on its branch main, which are pushed, and a store to itself. */
async function createProject(files: Readonly<Record<string, string>>) {
  const accessUrl = await createStore();
  const repository = `octo-org-${++repositories}/website`;
  const bare = github.createBare(repository, "-b", "main");
  github.git(bare, "config", "uploadpack.allowAnySHA1InWant", "true");
  const folder = github.folder();
  github.git(folder, "init", "-q", "-b", "main", ".");
  const push = (changed: Readonly<Record<string, string>>): string => {
    writeFiles(folder, changed);
    github.git(folder, "add", "-A");
    github.git(folder, "commit", "-q", "-m", "Change", "--allow-empty");
    github.git(folder, "push", "-q", "--tags", bare, "main");
    return github.git(folder, "rev-parse", "HEAD").trim();
  };
  push(files);
  return {
    accessUrl,
    repository,
    push,
    tag: (name: string) => {
      github.git(folder, "tag", name);
      push({});
    },
    run: (name: string, trigger: Trigger, more: Partial<Circumstances> = {}) =>
      run(name, trigger, { accessUrl, repository, ...more }),
    restore: (inputs: Record<string, string>, workspace: string) =>
      restore({ "access-url": accessUrl, ...inputs }, workspace),
    /** Does to the archive of an entry what should not happen. */
    damage(entry: string): void {
      const bytes = fs.readFileSync(stored(accessUrl, entry));
      bytes[bytes.length >> 1]! ^= 1;
      fs.writeFileSync(stored(accessUrl, entry), bytes);
    },
    /** Lets two days pass since an entry was stored. */
    age(entry: string): void {
      const then = Date.now() / 1000 - 2 * 86_400;
      fs.utimesSync(stored(accessUrl, entry), then, then);
    },
  };
}

interface Circumstances {
  readonly accessUrl: string;
  readonly repository: string;
  /** Beside the access url. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** Runs a workflow of the gallery as it is printed; a placeholder becomes what it stands for. */
function run(
  name: string,
  trigger: Trigger,
  { accessUrl, repository, secrets }: Omit<Circumstances, "secrets"> & Partial<Circumstances>,
): Promise<WorkflowRun> {
  const text = workflows.get(name)!.replace("recipients: age1…", `recipients: ${recipient}`);
  return runWorkflow(
    text,
    {
      secrets: {
        BACKUP_ACCESS_URL: accessUrl,
        ...(secrets ?? { BACKUP_KEY: identity, DEPLOY_TOKEN }),
      },
      github: {
        repository,
        server_url: github.server.url,
        api_url: api.url,
        graphql_url: `${api.url}/graphql`,
        token: github.token,
      },
      env: {
        NODE_EXTRA_CA_CERTS: server.caFile!,
        GIT_CONFIG_NOSYSTEM: "1",
        // There is nothing to fetch; a registry must not be asked whether there is.
        ...{ npm_config_offline: "true", npm_config_audit: "false", npm_config_fund: "false" },
      },
      commitOf: (ref) => github.git(github.bare(repository), "rev-parse", `${ref}^{commit}`).trim(),
      scratch: github.folder(),
    },
    trigger,
  );
}

const SCHEDULE: Trigger = { event: "schedule" };
const PUSH: Trigger = { event: "push" };
const byHand = (inputs: Trigger["inputs"] = {}): Trigger => ({
  event: "workflow_dispatch",
  inputs,
});

/** The jobs of a run that succeeded, with nothing to remark. */
function done({ conclusion, jobs }: WorkflowRun): readonly JobRun[] {
  const steps = jobs.flatMap((job) => job.steps);
  const failed = steps.filter((step) => step.conclusion === "failure");
  expect(failed.map(({ what, log }) => `${what}: ${log}`)).toEqual([]);
  expect(steps.flatMap((step) => step.annotations)).toEqual([]);
  expect(conclusion).toBe("success");
  return jobs;
}

/** The error of the one step that failed in a run. */
function errorOf({ conclusion, jobs }: WorkflowRun): string {
  expect(conclusion).toBe("failure");
  const failed = jobs.flatMap((job) => job.steps).filter((step) => step.conclusion === "failure");
  expect(failed).toHaveLength(1);
  return failed[0]!.annotations[0]!.message;
}

/** That two folders are alike in all but times, which a copy may round. */
function expectSame(actual: string, expected: string, except?: string): void {
  const wanted = treeOf(expected);
  if (except !== undefined) expect(wanted.delete(except)).toBe(true);
  expect(differences(wanted, treeOf(actual), { tolerance: 1000n })).toEqual([]);
}

const inJob = (job: JobRun | undefined, ...parts: string[]) => path.join(job!.workspace, ...parts);
const live = (job: JobRun | undefined) => path.join(job!.home, "live");
/** The entry that the last step of ours stored, restored or verified. */
const entryOf = (job: JobRun | undefined): string =>
  job!.steps.findLast((step) => step.outputs.entry !== undefined)!.outputs.entry!;

/** Restores an entry outside of any workflow of the gallery. */
function restore(inputs: Record<string, string>, workspace: string) {
  return runAction("restore", {
    with: { key: identity, path: "restored", ...inputs },
    workspace,
    env: { NODE_EXTRA_CA_CERTS: server.caFile! },
  });
}

it("the gallery is all tested here", () => {
  const tested = [...read("test/end-to-end/gallery.test.ts").matchAll(/\brun\("([^"]+)"/g)];
  expect(new Set(tested.map(([, name]) => name))).toEqual(new Set(workflows.keys()));
});

describe("Backup, and Restore by hand", () => {
  it("bring the latest back without what was excluded, and deploy it only when told", async () => {
    const project = await createProject(WEBSITE);
    const [backup] = done(await project.run("Backup", SCHEDULE));
    const [restored] = done(await project.run("Restore", byHand()));
    expectSame(inJob(restored, "dist"), inJob(backup, "dist"), "assets/app.js.map");
    expect(fs.existsSync(live(restored))).toBe(false);
    const [deployed] = done(await project.run("Restore", byHand({ deploy: true })));
    expectSame(live(deployed), inJob(backup, "dist"), "assets/app.js.map");
  });

  it("bring back how it was at some time, and an older one where told to fall back", async () => {
    const project = await createProject(WEBSITE);
    const [older] = done(await project.run("Backup", byHand()));
    project.age(entryOf(older));
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    project.push({ "pages/index.html": "<h1>Later</h1>\n" });
    const [newer] = done(await project.run("Backup", SCHEDULE));
    const page = (job: JobRun | undefined) =>
      fs.readFileSync(inJob(job, "dist/index.html"), "utf8");

    expect(page(done(await project.run("Restore", byHand()))[0])).toBe("<h1>Later</h1>\n");
    const [asThen] = done(await project.run("Restore", byHand({ at: yesterday })));
    expect(page(asThen)).toBe("<h1>Hello</h1>\n");

    project.damage(entryOf(newer));
    expect(errorOf(await project.run("Restore", byHand({ deploy: true })))).not.toBe("");
    const fallen = await project.run("Restore", byHand({ fallback: true }));
    expect(fallen.conclusion).toBe("success");
    expect(page(fallen.jobs[0])).toBe("<h1>Hello</h1>\n");
    const [warning] = fallen.jobs[0]!.steps[1]!.annotations;
    expect(warning!.message).toContain(
      `${entryOf(older)} was restored instead of:\n${entryOf(newer)}`,
    );
  });
});

describe("Verify backups", () => {
  it("passes over nothing: too old, too little, damaged; and tells the health check", async () => {
    const project = await createProject(WEBSITE);
    const pings: string[] = [];
    const service = createServer((request, response) => {
      pings.push(request.url!.replace("/ping/check-uuid", "") || "success");
      request.resume().on("end", () => response.end());
    });
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    const { port } = service.address() as { port: number };
    const secrets = {
      BACKUP_KEY: identity,
      BACKUP_PING_URL: `http://127.0.0.1:${port}/ping/check-uuid`,
    };
    const verify = () => project.run("Verify backups", SCHEDULE, { secrets });
    try {
      const [stale] = done(await project.run("Backup", SCHEDULE));
      project.age(entryOf(stale));
      expect(errorOf(await verify())).toMatch(/is 48\.0 hours old; at most 26\.0/);

      const [backup] = done(await project.run("Backup", SCHEDULE));
      const [job] = done(await verify());
      expect(entryOf(job)).toBe(entryOf(backup));

      project.push({ "pages/index.html": "" });
      done(await project.run("Backup", SCHEDULE));
      expect(errorOf(await verify())).toMatch(/command.*failed/);

      project.push({ "pages/index.html": "<h1>Hello again</h1>\n" });
      const [damaged] = done(await project.run("Backup", SCHEDULE));
      project.damage(entryOf(damaged));
      expect(errorOf(await verify())).toContain("The newest that is good is");
      expect(pings).toEqual([
        ...["/start", "/fail", "/start", "success", "/start", "/fail", "/start", "/fail"],
      ]);
    } finally {
      await new Promise<unknown>((resolve) => service.close(resolve));
    }
  });
});

describe("Snapshot the repository", () => {
  it("holds every ref and the issues, and git clones it from the bundle alone", async () => {
    const repository = "octo-org/website";
    const work = github.createRepository(repository);
    github.git(work, "push", "-q", github.bare(repository), "trunk:main");
    fill(api.create(repository));
    const accessUrl = await createStore();
    const [job] = done(await run("Snapshot the repository", SCHEDULE, { accessUrl, repository }));
    const { entry, incomplete } = job!.steps[0]!.outputs;
    expect(incomplete).toBe("");
    expect(api.violations).toEqual([]);

    const folder = github.folder();
    expect((await restore({ "access-url": accessUrl, entry: entry! }, folder)).exitCode).toBe(0);
    const mirror = path.join(folder, "mirror.git");
    const bundle = path.join(folder, "restored/repository.bundle");
    github.git(folder, "clone", "-q", "--mirror", bundle, mirror);
    expect(github.git(mirror, "show-ref")).toBe(github.git(github.bare(repository), "show-ref"));
    const issues = path.join(folder, "restored/metadata/issues/issues.jsonl");
    expect(fs.readFileSync(issues, "utf8")).toContain('"title":"It breaks"');
  });
});

describe("Backup by a runner that only writes", () => {
  it("cannot be read with anything that the runner has, and can with the offline key", async () => {
    const project = await createProject(WEBSITE);
    const { signingKey, signer } = generateSigningKey();
    const secrets = { BACKUP_SIGNING_KEY: signingKey };
    const [job] = done(await project.run("Backup by a runner that only writes", PUSH, { secrets }));
    const entry = entryOf(job);
    const folder = github.folder();
    const reasons = [];
    for (const key of [signingKey, recipient, project.accessUrl, github.token]) {
      const attempt = await project.restore(
        { entry, key, "allow-unauthenticated": "true" },
        folder,
      );
      expect(attempt.exitCode).toBe(1);
      reasons.push(attempt.annotations[0]!.message);
    }
    expect(reasons.join("\n")).toContain("cannot be opened");
    expect(fs.readdirSync(folder)).toEqual([]);

    // Nothing proves the writer without the signer's public half, and somebody else's is none.
    const stranger = generateSigningKey().signer;
    for (const trusted of ["", stranger]) {
      const attempt = await project.restore({ entry, "trusted-signers": trusted }, folder);
      expect(attempt.annotations[0]!.message).toContain("proves who wrote");
    }
    expect((await project.restore({ entry, "trusted-signers": signer }, folder)).exitCode).toBe(0);
    expectSame(path.join(folder, "restored"), inJob(job, "dist"));
  });
});

describe("Build, and Deploy in a later run", () => {
  it("deploys what was built of a commit, whatever was built since", async () => {
    const project = await createProject(WEBSITE);
    const [first] = done(await project.run("Build", PUSH));
    const commit = github.git(github.bare(project.repository), "rev-parse", "main").trim();
    project.push({ "pages/index.html": "<h1>Later</h1>\n" });
    const [second] = done(await project.run("Build", PUSH));

    const [latest] = done(await project.run("Deploy", byHand()));
    expectSame(live(latest), inJob(second, "dist"));
    const [back] = done(await project.run("Deploy", byHand({ commit })));
    expectSame(live(back), inJob(first, "dist"));
  });

  it("deploys nothing of a commit that was never built, and builds nothing that fails", async () => {
    const project = await createProject(WEBSITE);
    const deploy = await project.run("Deploy", byHand());
    expect(errorOf(deploy)).toMatch(/^No backup named website\/[0-9a-f]{40}/);
    expect(deploy.jobs[0]!.steps.at(-1)!.conclusion).toBe("skipped");
    expect(fs.existsSync(live(deploy.jobs[0]))).toBe(false);

    project.push({ "pages/index.html": "no page" });
    const build = await project.run("Build", PUSH);
    expect(build.jobs[0]!.steps.map(({ conclusion }) => conclusion)).toEqual([
      ...["success", "failure", "skipped"],
    ]);
  });
});

describe("Release, of matrix jobs", () => {
  it("collects what every job built, though they store at the same time", async () => {
    const project = await createProject(WEBSITE);
    project.tag("v1.0");
    const trigger = { event: "push", ref: "refs/tags/v1.0" } as const;
    const [linux, windows, release] = done(await project.run("Release", trigger));
    for (const [job, target] of [[linux, "linux-x64"] as const, [windows, "win-x64"] as const]) {
      expect(job!.matrix).toEqual({ target });
      expect(entryOf(job)).toMatch(new RegExp(`^release/v1\\.0/${target}-\\d{8}T`));
      expect(fs.readFileSync(inJob(job, "dist/target.txt"), "utf8")).toBe(target);
      expectSame(path.join(live(release), target), inJob(job, "dist"));
    }
  });

  it("releases nothing when one of them fails", async () => {
    const project = await createProject(WEBSITE);
    project.push({ "build.js": `if (process.env.TARGET === "win-x64") throw new Error("no");` });
    project.tag("v2.0");
    const { jobs } = await project.run("Release", { event: "push", ref: "refs/tags/v2.0" });
    expect(jobs.at(-1)).toMatchObject({ id: "release", conclusion: "skipped" });
  });
});

describe("Packages, of a monorepo", () => {
  it.runIf(jq)("backs up each package that changed, all where that cannot be told", async () => {
    const project = await createProject(MONOREPO);
    const packagesOf = (jobs: readonly JobRun[]) =>
      jobs.slice(1).map(({ matrix, conclusion }) => matrix.package ?? conclusion);
    const first = done(await project.run("Packages", PUSH));
    expect(packagesOf(first)).toEqual(["api", "web"]);

    const head = () => github.git(github.bare(project.repository), "rev-parse", "main").trim();
    let before = head();
    project.push({ "packages/web/source.txt": "web, the second\n" });
    const second = done(await project.run("Packages", { ...PUSH, before }));
    expect(packagesOf(second)).toEqual(["web"]);

    before = head();
    project.push({ "README.md": "# The shop\n" });
    expect(packagesOf(done(await project.run("Packages", { ...PUSH, before })))).toEqual([
      "skipped",
    ]);

    const folder = github.folder();
    const [, web] = second;
    expect((await project.restore({ name: "packages/web" }, folder)).outputs.entry).toBe(
      entryOf(web),
    );
    expectSame(path.join(folder, "restored"), inJob(web, "packages/web/dist"));
    expect((await project.restore({ name: "packages/api", path: "api" }, folder)).exitCode).toBe(0);
    expectSame(path.join(folder, "api"), inJob(first[1], "packages/api/dist"));
  });
});
