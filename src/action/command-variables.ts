/**
 * Variables for a command run in a restored folder: as the step's own, without its inputs (key and
 * access url are among them), the tokens that only Actions get, and the files through which a step
 * sets outputs and variables of the job: what came out of a backup has no business there.
 */
export function commandVariables(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !WITHHELD.test(name));
  return Object.fromEntries(kept);
}

const WITHHELD =
  /^(INPUT_.*|ACTIONS_.*|GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)|RESTBACKUP_.*)$/i;
