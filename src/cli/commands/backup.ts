import type { Command } from "commander";
import { visible } from "../../words.ts";
import { defaultName } from "../backup-name.ts";
import type { Context, Start } from "../context.ts";
import { progressOf } from "../progress.ts";
import { repeatable } from "../repeatable.ts";
import { addStoringOptions, type StoringFlags, storeBackup } from "../storing.ts";

interface Flags extends StoringFlags {
  readonly name?: string;
  readonly exclude?: readonly string[];
}

export function addBackup(program: Command, start: Start): void {
  const command = program
    .command("backup")
    .description("Back files and folders up, encrypted.")
    .argument("<path...>", "what to back up")
    .option("--name <name>", "NAME of the backup; by default that of the folder")
    .option(
      "--exclude <glob>",
      "leave out what matches: a name at any depth, or with a slash a path; may be repeated",
      repeatable,
    );
  addStoringOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  restbackup backup ~/website
  restbackup backup . --name project --exclude node_modules --exclude '*.log'
  restbackup backup /srv --store file:///mnt/disk/backups --key-file key.txt
  restbackup backup /srv --recipient age1… --signing-key-file signing.txt   (a machine that only writes)`,
    )
    .action((paths: string[], flags: Flags) =>
      run(start("No backup was made: what was stored of it is never taken for one."), paths, flags),
    );
}

async function run(context: Context, paths: readonly string[], flags: Flags): Promise<void> {
  const { output, cwd, signal } = context;
  const name = flags.name ?? defaultName(paths, cwd);
  // While the store is opened.
  const loading = import("../../operations/backup.ts");
  await storeBackup(context, { name, flags }, async (how) => {
    const { backup } = await loading;
    output.notice(`Backing up to ${how.store.description}`);
    return backup({
      ...how,
      name,
      paths,
      exclude: flags.exclude ?? [],
      cwd,
      onProgress: progressOf(context),
      onWarning: ({ path, problem }) => output.warn(`${visible(path)}: ${problem}`),
      signal,
    });
  });
}
