import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type ExportOptions, exportMetadata } from "../../../src/snapshot/github/export.ts";
import { createDispatcher } from "../../../src/stores/dispatcher.ts";
import { contentsOf } from "../world.ts";
import type { Any, FakeRepository } from "./fake-github/repository.ts";
import { FakeGithub } from "./fake-github/server.ts";

/** A fake GitHub, and folders to export from it. */
export class GithubWorld {
  readonly root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-github-")));
  readonly token = `ghs_${randomBytes(18).toString("hex")}`;
  fake!: FakeGithub;

  async start(): Promise<this> {
    this.fake = await FakeGithub.start(this.token);
    return this;
  }

  async close(): Promise<void> {
    await this.fake?.close();
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  async export(name: string, options: Partial<ExportOptions> = {}) {
    const [owner, repo] = name.split("/") as [string, string];
    const folder = fs.mkdtempSync(path.join(this.root, "export-"));
    const result = await exportMetadata(folder, {
      address: { owner, repo },
      apiUrl: this.fake.url,
      graphqlUrl: `${this.fake.url}/graphql`,
      token: this.token,
      dispatcherFor: (origin) => createDispatcher(origin, {}),
      maxWait: 0,
      second: 1,
      ...options,
    });
    const metadata = path.join(folder, "metadata");
    return {
      ...result,
      folder,
      files: contentsOf(metadata),
      lines: (file: string): Any[] =>
        fs
          .readFileSync(path.join(metadata, `${file}.jsonl`), "utf8")
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
    };
  }
}

/** Some of everything a repository can have. */
export function fill(repository: FakeRepository): void {
  repository.settings.topics = ["backup", "website"];
  repository.settings.description = "What octo shows the world";
  repository.addLabel({ name: "bug", color: "d73a4a", default: true, description: "Broken" });
  repository.addLabel({ name: "área/ünïcode 🐙", color: "0e8a16" });
  repository.addMilestone({ title: "1.0", description: "First", due_on: "2024-12-24T08:00:00Z" });
  repository.addMilestone({ title: "0.9", state: "closed" });
  const first = repository.addIssue({
    title: "It breaks",
    body: "Like @grace said:\n\n> never",
    labels: ["bug"],
    milestone: 1,
    assignees: ["grace"],
  });
  const pull = repository.addPull({ title: "Mend it", body: "Closes #1", state: "closed" });
  repository.addIssue({ title: "Old", state: "closed", state_reason: "not_planned", milestone: 2 });
  repository.addIssue({ title: "Heated", locked: true, labels: ["área/ünïcode 🐙"] });
  const comment = repository.addComment(1, { body: "I see it too" });
  repository.addComment(2, { body: "Thank you", author: "ada" });
  repository.addComment(1, { body: "Fixed", author: "ada" });
  repository.addReaction(first, "grace", "HEART");
  repository.addReaction(comment, "ada", "THUMBS_UP");
  repository.addEvent(1, { event: "labeled", label: { name: "bug", color: "d73a4a" } });
  repository.addEvent(2, { event: "closed" });
  const remark = repository.addReviewComment(2, { body: "A typo", path: "index.html" });
  repository.addReaction(remark, "grace", "THUMBS_UP");
  repository.addReview(2, { state: "APPROVED", body: "Good" });
  repository.addReaction(pull, "linus", "HEART");
  const release = repository.addRelease({ tag_name: "v1.0", name: "One", body: "The first" });
  repository.addAsset(release, { name: "site.zip" }, Buffer.from("PK and more"));
  repository.addAsset(release, { name: "ünïcode name.txt", label: "Notes" }, Buffer.from("notes"));
  repository.addRelease({ tag_name: "v1.1", name: null, draft: true });
  repository.addProtectedBranch("feature/one");
  repository.addRuleset({ name: "No force" });
  repository.addEnvironment("production");
  const dates = { created_at: "2024-01-01T00:00:00Z", updated_at: "2024-01-01T00:00:00Z" };
  const variable = (name: string) => ({ name, value: `value of ${name}`, ...dates });
  repository.variables = Array.from({ length: 40 }, (_, index) => variable(`VARIABLE_${index}`));
  repository.environmentVariables.set("production", [variable("REGION")]);
  repository.secrets = [{ name: "DEPLOY_KEY", ...dates }];
  repository.environmentSecrets.set("production", [{ name: "PASSWORD", ...dates }]);
  repository.publishPages();
  const url = "https://hook:hookpassword@example.com/hook";
  const config = { url, content_type: "json", insecure_ssl: "0", secret: "********" };
  repository.addHook({ events: ["push"], config });
  repository.addDiscussion({ title: "Which colour?", body: "Blue?" }, [
    { body: "Green", isAnswer: true, replies: ["Why?", "Because."] },
    { body: "Red" },
  ]);
}
