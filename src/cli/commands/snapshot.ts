import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { RepositoryOptions } from "../../operations/snapshot.ts";
import type { Gathered } from "../../snapshot/repository.ts";
import { countInWords, sizeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { table } from "../present.ts";
import { progressOf } from "../progress.ts";
import { readSecretFile } from "../secret-file.ts";
import { addStoringOptions, type StoringFlags, storeBackup } from "../storing.ts";

interface Flags extends StoringFlags {
  readonly to?: string;
  readonly name?: string;
  readonly tokenFile?: string;
  /** False with --no-wiki and so on. */
  readonly wiki: boolean;
  readonly lfs: boolean;
  readonly metadata: boolean;
  readonly strict?: boolean;
  readonly maxWait?: string;
}

export function addSnapshot(program: Command, start: Start): void {
  const command = program
    .command("snapshot")
    .description("Back a repository on GitHub up: commits, wiki, Git LFS, issues and the rest.")
    .argument("<owner/repo>", "the repository")
    .option("--to <folder>", "write it to this new folder, as files, instead of into the store")
    .option("--name <name>", "NAME of the backup; by default REPO-snapshot")
    .option(
      "--token-file <file>",
      "a file that holds a token that may read the repository; by default GITHUB_TOKEN",
    )
    .option("--no-wiki", "leave the wiki out")
    .option("--no-lfs", "leave the objects of Git LFS out")
    .option(
      "--no-metadata",
      "leave out what git does not hold: issues, releases, settings and the rest",
    )
    .option("--max-wait <time>", "how long to wait for rate limits in all; by default 30m")
    .option("--strict", "fail with exit code 9 when any of it could not be read");
  addStoringOptions(command)
    .addHelpText(
      "after",
      `
The address of the server is that of GitHub, or else GITHUB_SERVER_URL, GITHUB_API_URL and GITHUB_GRAPHQL_URL.

Examples:
  restbackup snapshot octo-org/website
  restbackup snapshot octo-org/website --token-file token.txt --strict
  restbackup snapshot octo-org/website --to ./website-snapshot --no-metadata
  GITHUB_SERVER_URL=https://github.example.com restbackup snapshot octo-org/website`,
    )
    .action((repository: string, flags: Flags) =>
      run(start("No snapshot was made: what there was of it is removed."), repository, flags),
    );
}

async function run(context: Context, repository: string, flags: Flags): Promise<void> {
  const { output, signal } = context;
  const request = await requestOf(context, repository, flags);
  const { snapshot, snapshotTo } = await import("../../operations/snapshot.ts");
  if (flags.to !== undefined) {
    const { resolve } = await import("node:path");
    const to = resolve(context.cwd, flags.to);
    const gathered = await snapshotTo(to, request);
    warnOfMissing(context, gathered);
    await output.summary(
      [`Wrote ${visible(repository)} to ${visible(to)}`, ...table(rowsOf(gathered))],
      { ...jsonOf(gathered), repository, folder: to },
    );
    return;
  }
  const name = flags.name ?? `${repository.split("/").at(-1)}-snapshot`;
  await storeBackup(
    context,
    { name, flags },
    async (how) => {
      output.notice(`Backing up to ${how.store.description}`);
      const result = await snapshot({
        ...request,
        ...how,
        name,
        onProgress: progressOf(context),
        onWarning: ({ path, problem }) => output.warn(`${visible(path)}: ${problem}`),
        onLeft: (folder) => output.warn(`the scratch folder ${folder} could not be removed`),
        signal,
      });
      warnOfMissing(context, result.gathered);
      return result;
    },
    ({ gathered }) => ({ rows: rowsOf(gathered), json: { ...jsonOf(gathered), repository } }),
  );
}

async function requestOf(
  { env, output, signal }: Context,
  repository: string,
  flags: Flags,
): Promise<RepositoryOptions> {
  const { githubAddresses, parseRepository } = await import("../../snapshot/address.ts");
  const { parseDuration } = await import("../../operations/units.ts");
  parseRepository(repository);
  const token =
    flags.tokenFile === undefined
      ? env.GITHUB_TOKEN
      : (await readSecretFile(flags.tokenFile, "token file", output)).trim();
  if (token === "") {
    throw new RestbackupError("usage", "The token is empty.", {
      hint: "In a workflow this is what a secret that is not set looks like. For a public repository, give none.",
    });
  }
  output.detail(
    token === undefined ? "token: none" : `token: ${flags.tokenFile ?? "GITHUB_TOKEN"}`,
  );
  return {
    repository,
    ...githubAddresses(env),
    token,
    wiki: flags.wiki,
    lfs: flags.lfs,
    metadata: flags.metadata,
    maxWait: parseDuration(flags.maxWait ?? "30m"),
    strict: flags.strict === true,
    env,
    onStep: (doing) => output.notice(visible(doing)),
    signal,
  };
}

function warnOfMissing({ output }: Context, { incomplete }: Gathered): void {
  for (const { part, reason } of incomplete) output.warn(`${visible(part)}: ${visible(reason)}`);
}

function rowsOf({ refs, wiki, lfs, submodules, incomplete }: Gathered): [string, string][] {
  return [
    ["refs", countInWords(Object.keys(refs.refs).length, "ref")],
    ["wiki", wiki === undefined ? "none" : countInWords(Object.keys(wiki.refs).length, "ref")],
    ["lfs", `${countInWords(lfs.objects, "object")}, ${sizeInWords(lfs.bytes)}`],
    ["submodules", String(submodules.length)],
    ...(incomplete.length === 0
      ? []
      : [
          ["missing", `${incomplete.map(({ part }) => part).join(", ")}; see above`] as [
            string,
            string,
          ],
        ]),
  ];
}

function jsonOf({ refs, wiki, lfs, submodules, incomplete }: Gathered) {
  const { head, commit } = refs;
  return {
    head,
    commit,
    refs: Object.keys(refs.refs).length,
    wiki: wiki !== undefined,
    lfs,
    submodules: submodules.length,
    incomplete,
  };
}
