import { Command } from "commander";
import { VERSION } from "../version.ts";
import { addAccount } from "./commands/account.ts";
import { addBackup } from "./commands/backup.ts";
import { addCat } from "./commands/cat.ts";
import { addCheck } from "./commands/check.ts";
import { addClock } from "./commands/clock.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDiff } from "./commands/diff.ts";
import { addEncryptAndPut } from "./commands/encrypt-and-put.ts";
import { addGet } from "./commands/get.ts";
import { addGetAndDecrypt } from "./commands/get-and-decrypt.ts";
import { addKeygen } from "./commands/keygen.ts";
import { addList } from "./commands/list.ts";
import { addPassphrase } from "./commands/passphrase.ts";
import { addPut } from "./commands/put.ts";
import { addRebuild } from "./commands/rebuild.ts";
import { addRestore } from "./commands/restore.ts";
import { addServe } from "./commands/serve.ts";
import { addShow } from "./commands/show.ts";
import { addSnapshot } from "./commands/snapshot.ts";
import { addVerify } from "./commands/verify.ts";
import type { Context, GlobalOptions, Start } from "./context.ts";
import { EXIT_CODES_IN_WORDS } from "./exit-codes.ts";

const ENVIRONMENT = `Environment:
  RESTBACKUP_ACCESS_URL       the store, where --store and --access-url-file are not given
  RESTBACKUP_KEY              an identity (AGE-SECRET-KEY-1…) or a passphrase, where --key-file is not given
  RESTBACKUP_SIGNING_KEY      for backup, where --signing-key-file is not given
  RESTBACKUP_TRUSTED_SIGNERS  for restore, show and verify, where no signer is named by an option
  RESTBACKUP_PASSPHRASE       of archives that older tools encrypted, where --passphrase-file is not given
  RESTBACKUP_PING_URL         for verify, a health check to tell, where --ping-url-file is not given
  RESTBACKUP_DEBUG=1          adds a stack trace to errors
  HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS, XDG_CONFIG_HOME, XDG_DATA_HOME as elsewhere

Without any of these, backups go to a folder of yours, and the first one makes a key.`;

const EXAMPLES = `Examples:
  restbackup backup ~/website
  restbackup list
  restbackup restore --name website --to ./website-restored
  restbackup verify --name website --max-age 26h
  RESTBACKUP_ACCESS_URL=https://USERNAME:PASSWORD@HOST/ restbackup backup ~/website --key-file key.txt`;

/** Subcommands, in the order help shows them. */
const COMMANDS: Readonly<Record<string, (program: Command, start: Start) => void>> = {
  backup: addBackup,
  snapshot: addSnapshot,
  rebuild: addRebuild,
  list: addList,
  show: addShow,
  cat: addCat,
  diff: addDiff,
  restore: addRestore,
  verify: addVerify,
  put: addPut,
  get: addGet,
  "encrypt-and-put": addEncryptAndPut,
  "get-and-decrypt": addGetAndDecrypt,
  keygen: addKeygen,
  passphrase: addPassphrase,
  serve: addServe,
  account: addAccount,
  check: addCheck,
  clock: addClock,
  completion: addCompletion,
};

/**
 * The whole command line, with nothing loaded yet that only some commands need.
 *
 * @param only the name of a subcommand, if the first argument is one: to make all of them takes some
 * milliseconds more, which a short command feels.
 */
export function buildProgram(
  begin: (options: GlobalOptions, ifStopped: string | undefined) => Context,
  print: (help: string) => void = (help) => void process.stdout.write(help),
  only?: string,
): Command {
  const program = new Command("restbackup")
    .description("Encrypted backups that are never replaced, and come back identical.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .exitOverride()
    .configureOutput({ writeOut: print, outputError: () => {} })
    .configureHelp({ showGlobalOptions: true })
    .option(
      "--store <url>",
      "where backups are: https://USERNAME:PASSWORD@HOST/ or file:///path; others on this machine can see it, so for one with a password better set RESTBACKUP_ACCESS_URL",
    )
    .option("--access-url-file <file>", "a file that holds the store's url")
    .option("--key-file <file>", "a file that holds the key: age identities, or a passphrase")
    .option("--json", "print one JSON document; errors and warnings are JSON lines on stderr")
    .option("-q, --quiet", "print nothing but what was asked for, warnings and errors")
    .option(
      "-v, --verbose",
      "say on stderr what is used and done: store, key, recipients, objects, retries; no secret",
    )
    .option("--no-progress", "do not show progress")
    .option(
      "--retries <number>",
      "how often a request that failed is sent again, 0 to 100; by default 5, after 1 s, 2 s, 4 s, …",
    )
    .addHelpText("after", `\n${EXAMPLES}\n\n${ENVIRONMENT}\n\n${EXIT_CODES_IN_WORDS}`);
  const start = (ifStopped?: string) => begin(program.opts<GlobalOptions>(), ifStopped);
  const wanted = only === undefined || !Object.hasOwn(COMMANDS, only) ? undefined : COMMANDS[only];
  // Completion tells of all.
  if (wanted === undefined || wanted === addCompletion) {
    for (const add of Object.values(COMMANDS)) add(program, start);
  } else {
    wanted(program, start);
  }
  return program;
}
