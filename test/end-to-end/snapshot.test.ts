import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { FakeGithub } from "../snapshot/github/fake-github/server.ts";
import { fill } from "../snapshot/github/world.ts";
import { SnapshotWorld, write } from "../snapshot/world.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer } from "../support/server.ts";
import { type Run, runAction } from "./harness.ts";

const lfs = requireProgram("git-lfs", "a snapshot in a workflow holds the objects of Git LFS");

let server: Awaited<ReturnType<typeof startServer>>;
let github: SnapshotWorld;
let identity: string;
let recipient: string;

beforeAll(async () => {
  server = await startServer({ tls: true });
  github = await new SnapshotWorld().start();
  ({ identity, recipient } = await generateIdentity());
  const work = github.createRepository("octo-org/website");
  github.createRepository("octo-org/website.wiki");
  write(work, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
  write(work, "big.bin", github.lfsObject(randomBytes(5000)).pointer);
  github.git(work, "add", "-A");
  github.git(work, "commit", "-q", "-m", "Add media");
  github.git(work, "push", "-q", github.bare("octo-org/website"), "trunk");
});

afterAll(async () => {
  await server?.close();
  await github?.close();
});

function step(
  folder: "snapshot" | "restore",
  inputs: Record<string, string>,
  env = {},
): Promise<Run> {
  const token = folder === "snapshot" ? { token: github.token, metadata: "false" } : {};
  return runAction(folder, {
    with: { "access-url": server.accessUrl, key: identity, ...token, ...inputs },
    workspace: github.root,
    env: { NODE_EXTRA_CA_CERTS: server.caFile!, GITHUB_SERVER_URL: github.server.url, ...env },
  });
}

describe("the snapshot step", () => {
  it.runIf(lfs)("stores the job's repository whole, and a later step restores it", async () => {
    const run = await step("snapshot", {});
    expect(run.annotations).toEqual([]);
    expect(run.exitCode).toBe(0);
    expect(run.outputs.entry).toMatch(/^website-snapshot-\d{8}T\d{6}Z\.tar\.zst\.age$/);
    const head = github.git(github.bare("octo-org/website"), "rev-parse", "trunk").trim();
    expect(run.outputs).toMatchObject({ commit: head, incomplete: "" });
    expect(run.log).toContain(`Cloning ${github.server.url}/octo-org/website, all refs`);
    expect(run.summary).toContain("octo-org/website");
    expect(run.summary).toContain(head);
    expect(run.summary).toContain("restbackup restore");

    const back = path.join(github.folder(), "back");
    const restored = await step("restore", { entry: run.outputs.entry!, path: back });
    expect(restored.exitCode).toBe(0);
    expect(restored.summary).toContain("octo-org/website");
    expect(restored.summary).toContain(head);
    expect(fs.readdirSync(back).sort()).toEqual([
      ...["README.md", "lfs", "refs.json", "repository.bundle", "snapshot.json", "wiki.bundle"],
    ]);
    const mirror = path.join(back, "back.git");
    github.git(back, "clone", "-q", "--mirror", "repository.bundle", mirror);
    expect(github.git(mirror, "show-ref")).toBe(
      github.git(github.bare("octo-org/website"), "show-ref"),
    );
  });

  it("hides the token, alone and as git sends it", async () => {
    const run = await step("snapshot", { lfs: "false" });
    const basic = Buffer.from(`x-access-token:${github.token}`).toString("base64");
    expect(run.masks).toEqual(expect.arrayContaining([github.token, basic, identity]));
    // Before anything else is said: all lines above the first other one set masks.
    const lines = run.stdout.split("\n");
    const other = lines.findIndex((line) => !line.startsWith("::add-mask::"));
    expect(lines.slice(other).some((line) => line.startsWith("::add-mask::"))).toBe(false);
  });

  it("takes another repository, for recipients alone, under a name of its own", async () => {
    github.createRepository("octo-org/other");
    const run = await step("snapshot", {
      ...{ repository: "octo-org/other", name: "archive", key: "", recipients: recipient },
      ...{ wiki: "false", lfs: "false" },
    });
    expect(run.exitCode).toBe(0);
    expect(run.outputs.entry).toMatch(/^archive-/);
  });

  it("warns of what it could not read, and with strict fails and stores nothing", async () => {
    github.createRepository("octo-org/half");
    github.createRepository("octo-org/half.wiki");
    github.server.forbidden.add("octo-org/half.wiki");
    const run = await step("snapshot", { repository: "octo-org/half" });
    expect(run.exitCode).toBe(0);
    expect(run.outputs.incomplete).toBe("wiki");
    expect(run.annotations).toMatchObject([
      {
        name: "warning",
        properties: { title: "The snapshot is not complete" },
        message: "wiki: The server refuses to show the wiki to this token.",
      },
    ]);
    expect(run.summary).toContain("could not be read, and are missing");
    const before = fs.readdirSync(server.archives);
    const strict = await step("snapshot", { repository: "octo-org/half", strict: "true" });
    expect(strict.exitCode).toBe(1);
    expect(strict.annotations).toMatchObject([
      { name: "error", message: expect.stringContaining("would not be whole") },
    ]);
    expect(fs.readdirSync(server.archives)).toEqual(before);
  });

  it("holds what git does not, names what the token may not read, and with strict stores nothing", async () => {
    const fake = await FakeGithub.start(github.token);
    try {
      github.createRepository("octo-org/told");
      fill(fake.create("octo-org/told"));
      const inputs = { repository: "octo-org/told", metadata: "true", wiki: "false" };
      const env = { GITHUB_API_URL: fake.url, GITHUB_GRAPHQL_URL: `${fake.url}/graphql` };
      const whole = await step("snapshot", { ...inputs, strict: "true" }, env);
      expect(whole.annotations).toEqual([]);
      expect([whole.exitCode, whole.outputs.incomplete]).toEqual([0, ""]);
      expect(fake.violations).toEqual([]);
      const back = path.join(github.folder(), "back");
      await step("restore", { entry: whole.outputs.entry!, path: back });
      const issues = fs.readFileSync(path.join(back, "metadata/issues/issues.jsonl"), "utf8");
      expect(issues).toContain('"title":"It breaks"');

      fake.refuse(/hooks/, 403, { message: "Resource not accessible by integration" });
      const partial = await step("snapshot", inputs, env);
      expect([partial.exitCode, partial.outputs.incomplete]).toEqual([0, "metadata/webhooks"]);
      expect(partial.annotations).toMatchObject([
        {
          name: "warning",
          message: expect.stringMatching(/^metadata\/webhooks: .*not accessible/),
        },
      ]);
      const before = fs.readdirSync(server.archives);
      const strict = await step("snapshot", { ...inputs, strict: "true" }, env);
      expect(strict.exitCode).toBe(1);
      expect(strict.annotations).toMatchObject([
        { name: "error", message: expect.stringContaining("metadata/webhooks: ") },
      ]);
      expect(fs.readdirSync(server.archives)).toEqual(before);
    } finally {
      await fake.close();
    }
  });

  it("fails in words where the token may not read, and names a wrong input", async () => {
    const refused = await step("snapshot", { repository: "octo-org/none" });
    expect(refused.exitCode).toBe(1);
    expect(refused.annotations[0]!.message).toContain("There is no repository octo-org/none");
    expect(refused.annotations[0]!.message).toContain("permissions: contents: read");
    const wrong = await step("snapshot", { repository: "website" });
    expect(wrong.annotations[0]!.message).toContain("The input repository: ");
    const wait = await step("snapshot", { "max-wait": "long" });
    expect(wait.annotations[0]!.message).toContain("The input max-wait: ");
  });
});
