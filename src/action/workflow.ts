import type { ContentsSource } from "../archive/contents.ts";

/** Where in GitHub a step runs, for the contents list of what it backs up. */
export function workflowSource(
  env: Readonly<Record<string, string | undefined>>,
): Omit<ContentsSource, "paths"> {
  const { GITHUB_REPOSITORY, GITHUB_REF, GITHUB_SHA, GITHUB_RUN_ID, GITHUB_SERVER_URL } = env;
  return {
    ...(GITHUB_REPOSITORY ? { repository: GITHUB_REPOSITORY } : {}),
    ...(GITHUB_REF ? { ref: GITHUB_REF } : {}),
    ...(GITHUB_SHA ? { commit: GITHUB_SHA } : {}),
    ...(GITHUB_SERVER_URL && GITHUB_REPOSITORY && GITHUB_RUN_ID
      ? { run: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}` }
      : {}),
  };
}
