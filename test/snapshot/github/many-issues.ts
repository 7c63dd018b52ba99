import type { Any, FakeRepository } from "./fake-github/repository.ts";

/** Labels, milestones, issues and pull requests with all that goes with them, and releases `v1` to `v10`. */
export function fillWith(repository: FakeRepository, issues: number): void {
  for (const name of ["bug", "idea", "question"])
    repository.addLabel({ name, color: "ededed", description: `A ${name}` });
  for (let index = 1; index <= 20; index++) {
    repository.addMilestone({ title: `0.${index}`, state: index % 3 === 0 ? "closed" : "open" });
  }
  for (let index = 1; index <= issues; index++) {
    const fields = {
      title: `Number ${index}`,
      body: `Text of ${index}\n\nwith a second paragraph`,
      labels: index % 2 === 0 ? ["bug", "idea"] : [],
      milestone: index % 5 === 0 ? 1 + (index % 20) : null,
      state: index % 3 === 0 ? "closed" : "open",
    };
    const issue = index % 4 === 0 ? repository.addPull(fields) : repository.addIssue(fields);
    for (let comment = 1; comment <= index % 3; comment++) {
      repository.addComment(index, { body: `Comment ${comment}` });
    }
    if (index % 10 === 0) repository.addReaction(issue, "ada", "HEART");
    if (index % 4 === 0) repository.addReview(index, { state: "APPROVED", body: "" });
    repository.addEvent(index, { event: "labeled", label: { name: "bug", color: "ededed" } });
  }
  for (let index = 1; index <= 10; index++) {
    const release = repository.addRelease({ tag_name: `v${index}`, name: `Release ${index}` });
    repository.addAsset(release, { name: "site.zip" }, Buffer.alloc(100_000, index));
  }
}

/** What must be the same in a repository and the one that was rebuilt from it. */
export function shapeOf({
  labels,
  milestones,
  issues,
  comments,
  releases,
  assets,
}: FakeRepository) {
  return {
    labels: labels.map(({ name, color }) => [name, color]),
    milestones: milestones.map(({ number, title, state }) => [number, title, state]),
    issues: issues.map((one) => ({
      ...{ number: one.number, title: one.title, state: one.state },
      body: one.body.slice(one.body.indexOf("Text of")),
      labels: one.labels.map(({ name }: Any) => name),
      milestone: one.milestone?.number,
    })),
    comments: comments.map((one) => [
      Number(one.issue_url.split("/").at(-1)),
      one.body.split("\n\n").at(-1),
    ]),
    releases: releases.map((one) => [
      ...[one.tag_name, one.name, one.draft],
      one.assets.map(({ id, name, digest }: Any) => [name, digest, assets.get(id)!.length]),
    ]),
  };
}
