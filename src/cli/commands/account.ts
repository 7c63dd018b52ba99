import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { Context, Start } from "../context.ts";

interface Flags {
  readonly data: string;
  readonly retention: string;
  readonly host?: string;
}

/** Where `serve` listens unless told otherwise. */
const DEFAULT_ORIGIN = "http://127.0.0.1:8080";
const DAY = 86_400;

export function addAccount(program: Command, start: Start): void {
  program
    .command("account")
    .description("Make accounts of a server.")
    .command("create")
    .description("Make an account and print its access url, once: it holds the password.")
    .requiredOption("--data <folder>", "the folder that the server serves")
    .option("--retention <days>", "how long backups are kept, from 30d to 365d", "90d")
    .option(
      "--host <name>",
      "the server's name as clients reach it, with the port if it is not 443; by default this machine, without TLS",
    )
    .addHelpText(
      "after",
      `
Examples:
  restbackup account create --data /srv/restbackup --host backup.example
  restbackup account create --data /srv/restbackup --retention 365d --host backup.example:8443`,
    )
    .action((flags: Flags) => run(start("No account was made."), flags));
}

async function run({ output }: Context, flags: Flags): Promise<void> {
  const origin = await originOf(flags.host);
  const { parseDuration } = await import("../../operations/units.ts");
  const { createAccount } = await import("../../server/accounts.ts");
  const retentionDays = parseDuration(flags.retention) / DAY;
  const credentials = await createAccount(flags.data, { retentionDays });
  const { username, password } = credentials;
  const accessUrl = `${origin.replace("://", `://${username}:${password}@`)}/`;
  output.notice("This access url is shown once; the password in it is stored nowhere else:");
  const ifLost = `The account ${username} was made, but its password is lost: make another.`;
  await output.result([accessUrl], { accessUrl, username, retentionDays }, ifLost);
}

/** The server's origin, checked before there is an account. Throws `usage`. */
async function originOf(host: string | undefined): Promise<string> {
  if (host === undefined) return DEFAULT_ORIGIN;
  const { parseAccessUrl } = await import("../../stores/access-url.ts");
  const origin = host.includes("://") ? host.replace(/\/$/, "") : `https://${host}`;
  try {
    return parseAccessUrl(`${origin.replace("://", "://user:password@")}/`).origin;
  } catch {
    throw new RestbackupError("usage", "The host is not a name that clients can reach.", {
      hint: "Write for example --host backup.example or --host backup.example:8443.",
    });
  }
}
