import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { RebuildResult } from "../../operations/rebuild.ts";
import { countInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { table } from "../present.ts";
import { readSecretFile } from "../secret-file.ts";

interface Flags {
  readonly to: string;
  readonly tokenFile?: string;
  readonly maxWait?: string;
  readonly dryRun?: boolean;
}

export function addRebuild(program: Command, start: Start): void {
  program
    .command("rebuild")
    .description("Put a snapshot into a new, empty repository on GitHub.")
    .argument("<folder>", "the snapshot, as snapshot --to wrote it or restore brought it back")
    .requiredOption("--to <owner/repo>", "the repository to fill; it must exist, and be empty")
    .option(
      "--token-file <file>",
      "a file that holds a token that may administer the repository; by default GITHUB_TOKEN",
    )
    .option("--max-wait <time>", "how long to wait for rate limits in all; by default 24h")
    .option("--dry-run", "look at both, say what would be put back, and change nothing")
    .addHelpText(
      "after",
      `
When it is stopped, run it again: it goes on where it was. Names with an @ are written so that nobody is notified.
The address of the server is that of GitHub, or else GITHUB_SERVER_URL, GITHUB_API_URL and GITHUB_GRAPHQL_URL.

Examples:
  restbackup rebuild ./website-snapshot --to octo-org/website-again --dry-run
  restbackup rebuild ./website-snapshot --to octo-org/website-again --token-file token.txt`,
    )
    .action((folder: string, flags: Flags) =>
      run(start("What was put back stays; run it again to go on."), folder, flags),
    );
}

async function run(context: Context, folder: string, flags: Flags): Promise<void> {
  const { env, cwd, output, signal } = context;
  const { githubAddresses } = await import("../../snapshot/address.ts");
  const { parseDuration } = await import("../../operations/units.ts");
  const { rebuild } = await import("../../operations/rebuild.ts");
  const { resolve } = await import("node:path");
  const dryRun = flags.dryRun === true;
  const result = await rebuild({
    folder: resolve(cwd, folder),
    to: flags.to,
    ...githubAddresses(env),
    token: await tokenOf(context, flags),
    maxWait: parseDuration(flags.maxWait ?? "24h"),
    ...{ dryRun, env, signal },
    onStep: (doing) => output.notice(visible(doing)),
    onLeft: (left) => output.warn(`the scratch folder ${left} could not be removed`),
  });
  if (!dryRun) for (const one of result.left) output.warn(visible(one));
  const done = dryRun ? "Would put" : "Put";
  await output.summary(
    [`${done} ${visible(result.repository)} into ${visible(flags.to)}`, ...table(rowsOf(result))],
    { ...result, to: flags.to, dryRun },
  );
}

async function tokenOf({ env, output }: Context, { tokenFile }: Flags): Promise<string> {
  const token =
    tokenFile === undefined
      ? env.GITHUB_TOKEN
      : (await readSecretFile(tokenFile, "token file", output)).trim();
  if (token !== undefined && token !== "") return token;
  throw new RestbackupError("usage", "There is no token to write to the repository with.", {
    hint: "Set GITHUB_TOKEN, or give --token-file.",
  });
}

function rowsOf(result: RebuildResult): [string, string][] {
  const { refs, labels, milestones, issues, pulls, gaps, comments, releases, assets } = result;
  return [
    ["refs", countInWords(refs, "ref")],
    ["labels", countInWords(labels, "label")],
    ["milestones", countInWords(milestones, "milestone")],
    [
      "issues",
      `${countInWords(issues, "issue")}, ${countInWords(pulls, "pull request")} as issues, ${countInWords(gaps, "placeholder")}`,
    ],
    ["comments", countInWords(comments, "comment")],
    ["releases", `${countInWords(releases, "release")}, ${countInWords(assets, "file")}`],
    ...(result.resumed ? [["resumed", "an earlier run"] as [string, string]] : []),
  ];
}
