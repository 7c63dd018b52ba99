import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FakeRepository } from "./fake-github/repository.ts";
import { fill, GithubWorld } from "./world.ts";

const NAME = "octo/website";

describe("what git does not hold", () => {
  const world = new GithubWorld();
  let repository: FakeRepository;
  beforeAll(() => world.start());
  afterAll(() => world.close());
  beforeEach(() => {
    world.fake.relent();
    world.fake.limit = { remaining: 1000, reset: 0 };
    world.fake.requests.length = 0;
    world.fake.violations.length = 0;
    repository = world.fake.create(NAME);
    fill(repository);
  });

  test("is written as JSON Lines, one folder a kind, and none of it is missing", async () => {
    const { files, incomplete, requests } = await world.export(NAME);
    expect(world.fake.violations).toEqual([]);
    expect(incomplete).toEqual([]);
    expect(requests).toBe(world.fake.requests.length);
    expect(files.get("incomplete.json")!.toString()).toBe("[]\n");
    const kinds = [...files.keys()].filter((file) => file.endsWith(".jsonl"));
    expect(kinds).toEqual([
      "branch-protection/branches.jsonl",
      "discussions/comments.jsonl",
      "discussions/discussions.jsonl",
      "discussions/replies.jsonl",
      "environments/environments.jsonl",
      "issues/comments.jsonl",
      "issues/issues.jsonl",
      "issues/timeline.jsonl",
      "labels/labels.jsonl",
      "milestones/milestones.jsonl",
      "pages/pages.jsonl",
      "pulls/pulls.jsonl",
      "pulls/review-comments.jsonl",
      "pulls/reviews.jsonl",
      "reactions/reactions.jsonl",
      "releases/releases.jsonl",
      "repository/repository.jsonl",
      "rulesets/rulesets.jsonl",
      "secrets/secrets.jsonl",
      "variables/variables.jsonl",
      "webhooks/webhooks.jsonl",
    ]);
    for (const kind of kinds) {
      for (const line of files.get(kind)!.toString().trimEnd().split("\n")) JSON.parse(line);
    }
  });

  test("says what people said and did, and to what", async () => {
    const { lines } = await world.export(NAME);
    expect(lines("issues/issues").map(({ number, title }) => [number, title])).toEqual([
      [1, "It breaks"],
      [2, "Mend it"],
      [3, "Old"],
      [4, "Heated"],
    ]);
    expect(lines("issues/issues")[0]).toMatchObject({
      user: { login: "ada" },
      labels: [{ name: "bug" }],
      milestone: { title: "1.0" },
      assignees: [{ login: "grace" }],
    });
    const said = lines("issues/comments").map((one) => [one.issue_number, one.body]);
    expect(said).toEqual([
      [1, "I see it too"],
      [2, "Thank you"],
      [1, "Fixed"],
    ]);
    const done = lines("issues/timeline").map((one) => [one.issue_number, one.event]);
    expect(done).toEqual([
      [2, "closed"],
      [1, "labeled"],
    ]);
    expect(lines("pulls/pulls")).toMatchObject([{ number: 2, head: { repo: { id: 1296269 } } }]);
    expect(lines("pulls/reviews")).toMatchObject([{ pull_number: 2, state: "APPROVED" }]);
    expect(lines("pulls/review-comments")).toMatchObject([{ pull_number: 2, body: "A typo" }]);
    const reactions = lines("reactions/reactions");
    const first = lines("issues/comments")[0].id;
    const remark = lines("pulls/review-comments")[0].id;
    expect(reactions.map(({ on, user, content }) => [on, user.login, content])).toEqual([
      [{ issue: 1 }, "grace", "HEART"],
      [{ issue: 2 }, "linus", "HEART"],
      [{ comment: first }, "ada", "THUMBS_UP"],
      [{ review_comment: remark }, "grace", "THUMBS_UP"],
    ]);
    expect(lines("discussions/comments").map(({ body }) => body)).toEqual(["Green", "Red"]);
    expect(lines("discussions/replies").map(({ body }) => body)).toEqual(["Why?", "Because."]);
  });

  test("keeps the files of releases, and their names and digests", async () => {
    const { files, lines } = await world.export(NAME);
    const [{ assets }, draft] = lines("releases/releases");
    expect(draft).toMatchObject({ draft: true, tag_name: "v1.1" });
    expect(assets.map(({ name }: { name: string }) => name)).toEqual([
      "site.zip",
      "ünïcode name.txt",
    ]);
    for (const { file, sha256 } of assets) {
      expect(createHash("sha256").update(files.get(file)!).digest("hex")).toBe(sha256);
    }
    expect(world.fake.leaks).toBe(0);
  });

  test("has no secret in it, and of variables only the names", async () => {
    const { files, lines } = await world.export(NAME);
    const all = Buffer.concat([...files.values()]).toString();
    for (const secret of [world.token, "********", "hookpassword", "value of", "ABTLWHOUL"]) {
      expect(all).not.toContain(secret);
    }
    expect(lines("variables/variables")).toHaveLength(40);
    expect(lines("environments/environments")).toMatchObject([
      { variables: ["REGION"], secrets: ["PASSWORD"], branch_policies: [{ name: "release/*" }] },
    ]);
  });

  test("is the same bytes again, though downloads and stars are counted meanwhile", async () => {
    const first = await world.export(NAME);
    repository.settings.stargazers_count += 10;
    repository.settings.pushed_at = new Date().toISOString().replace(/\.\d+/, "");
    expect(repository.releases[1].assets[0].download_count).toBe(1);
    expect((await world.export(NAME)).files).toEqual(first.files);
  });

  test("is told to be missing where a token may not read it, and the rest is there", async () => {
    world.fake.refuse(/\/hooks/, 404, { message: "Not Found" });
    world.fake.refuse(/\/protection/, 403);
    world.fake.refuse(/production\/variables/, 403);
    world.fake.refuse(/\/issues\/comments/, 410, { message: "Issues are disabled" });
    const { files, incomplete } = await world.export(NAME);
    expect(incomplete).toEqual([
      { part: "metadata/issues/comments", reason: "GitHub answered 410: Issues are disabled." },
      ...["branch-protection", "environments/variables"].map((part) => ({
        part: `metadata/${part}`,
        reason: "GitHub answered 403: Resource not accessible by integration.",
      })),
      { part: "metadata/webhooks", reason: "GitHub answered 404: Not Found." },
    ]);
    expect(JSON.parse(files.get("incomplete.json")!.toString())).toEqual(incomplete);
    expect(files.has("webhooks/webhooks.jsonl")).toBe(false);
    expect(files.has("issues/issues.jsonl")).toBe(true);
  });

  test("names a release's file that is not what the release says", async () => {
    const [{ id }] = repository.releases[1].assets;
    repository.assets.set(id, Buffer.from("something else"));
    const { files, incomplete } = await world.export(NAME);
    expect(incomplete).toMatchObject([{ part: "metadata/releases/assets" }]);
    expect(incomplete[0]!.reason).toMatch(/^v1\.0\/site\.zip: .*not the one/);
    expect([...files.keys()].filter((file) => file.includes("site.zip"))).toEqual([]);
  });

  test("is told to be missing from where the rate limit ended it", async () => {
    world.fake.limit = { remaining: 6, reset: Math.floor(Date.now() / 1000) + 3000 };
    const { files, incomplete } = await world.export(NAME);
    expect(files.has("issues/comments.jsonl")).toBe(true);
    expect(files.has("pulls/pulls.jsonl")).toBe(true);
    expect(incomplete.map(({ part }) => part)).toContain("metadata/releases");
    for (const { reason } of incomplete) expect(reason).toContain("rate limit");
    expect(world.fake.requests).toHaveLength(7);
  });

  test("of 2,000 issues takes few of the 1,000 requests that an hour allows", async () => {
    const big = world.fake.create("octo/big");
    for (let index = 0; index < 2000; index++) {
      const fields = { title: `Issue ${index}`, body: "…" };
      const issue = index % 4 === 0 ? big.addPull(fields) : big.addIssue(fields);
      big.addComment(issue.number, { body: "A comment" });
      if (index % 10 === 0) big.addReaction(issue, "ada", "HEART");
      if (index % 4 === 0) big.addReview(issue.number, { state: "APPROVED", body: "" });
      big.addEvent(issue.number, { event: "closed" });
    }
    const { incomplete, requests, lines } = await world.export("octo/big");
    expect(incomplete).toMatchObject([]);
    expect(lines("issues/issues")).toHaveLength(2000);
    expect(lines("issues/comments")).toHaveLength(2000);
    expect(lines("issues/timeline")).toHaveLength(2000);
    expect(lines("pulls/reviews")).toHaveLength(500);
    expect(lines("reactions/reactions")).toHaveLength(200);
    expect(requests).toBeLessThanOrEqual(100);
  });
});
