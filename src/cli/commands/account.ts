import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { AccountChange, AccountState } from "../../server/account-changes.ts";
import { countInWords, sizeInWords, timeInWords } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { actAsOwner } from "../folder-owner.ts";
import { table } from "../present.ts";

interface Flags {
  readonly data: string;
  readonly retention?: string;
  readonly quota?: string;
  readonly host?: string;
}

/** Where `serve` listens unless told otherwise. */
const DEFAULT_ORIGIN = "http://127.0.0.1:8080";
const DAY = 86_400;

const DATA = ["--data <folder>", "the folder that the server serves"] as const;
const RETENTION = ["--retention <days>", "how long backups are kept, from 30d to 365d"] as const;
const QUOTA = ["--quota <size>", "how much it may store: 500M, 10G, 2T, or none"] as const;
const HOST = [
  "--host <name>",
  "the server's name as clients reach it, with the port if it is not 443; by default this machine, without TLS",
] as const;

export function addAccount(program: Command, start: Start): void {
  const account = program
    .command("account")
    .description("Make, list and change accounts of a server, also while it runs.");
  account
    .command("create")
    .description("Make an account and print its access url, once: it holds the password.")
    .requiredOption(...DATA)
    .option(...RETENTION, "90d")
    .option(...QUOTA, "none")
    .option(...HOST)
    .addHelpText(
      "after",
      examples(
        "create --data /srv/restbackup --host backup.example",
        "create --data /srv/restbackup --retention 365d --quota 50G --host backup.example:8443",
      ),
    )
    .action((flags: Flags) => create(start("No account was made."), flags));
  account
    .command("list")
    .description("List accounts: retention, quota, what is stored, and whether they are disabled.")
    .requiredOption(...DATA)
    .addHelpText("after", examples("list --data /srv/restbackup"))
    .action((flags: Flags) => list(start(), flags));
  account
    .command("disable")
    .description("Refuse an account's credentials. What it stored is kept until it expires.")
    .argument("<username>")
    .requiredOption(...DATA)
    .addHelpText("after", examples("disable xK3vPq8mZt2a --data /srv/restbackup"))
    .action((username: string, flags: Flags) =>
      change(start(), username, flags, { disabled: true }),
    );
  account
    .command("enable")
    .description("Accept the credentials of a disabled account again.")
    .argument("<username>")
    .requiredOption(...DATA)
    .addHelpText("after", examples("enable xK3vPq8mZt2a --data /srv/restbackup"))
    .action((username: string, flags: Flags) =>
      change(start(), username, flags, { disabled: false }),
    );
  account
    .command("rotate")
    .description(
      "Give an account a new password and print its access url, once. The old one, and sessions made with it, end at once.",
    )
    .argument("<username>")
    .requiredOption(...DATA)
    .option(...HOST)
    .addHelpText(
      "after",
      examples("rotate xK3vPq8mZt2a --data /srv/restbackup --host backup.example"),
    )
    .action((username: string, flags: Flags) => rotate(start(), username, flags));
  account
    .command("end-sessions")
    .description("End the sessions of an account: the links that work without its password.")
    .argument("<username>")
    .requiredOption(...DATA)
    .addHelpText("after", examples("end-sessions xK3vPq8mZt2a --data /srv/restbackup"))
    .action((username: string, flags: Flags) => endAllSessions(start(), username, flags));
  account
    .command("set")
    .description("Change how long an account's backups are kept, also those it has, and its quota.")
    .argument("<username>")
    .requiredOption(...DATA)
    .option(...RETENTION)
    .option(...QUOTA)
    .addHelpText(
      "after",
      examples(
        "set xK3vPq8mZt2a --data /srv/restbackup --retention 180d",
        "set xK3vPq8mZt2a --data /srv/restbackup --quota none",
      ),
    )
    .action((username: string, flags: Flags) => set(start(), username, flags));
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  restbackup account ${line}`).join("\n")}`;
}

async function create({ output }: Context, flags: Flags): Promise<void> {
  const origin = await originOf(flags.host);
  const { createAccount } = await import("../../server/accounts.ts");
  const { retentionDays = 0, quotaBytes } = await settingsOf(flags);
  await actAsOwner(flags.data);
  const { username, password } = await createAccount(flags.data, {
    retentionDays,
    quotaBytes: quotaBytes === "none" ? undefined : quotaBytes,
  });
  const accessUrl = accessUrlOf(origin, username, password);
  output.notice("This access url is shown once; the password in it is stored nowhere else:");
  await output.result(
    [accessUrl],
    { accessUrl, username, retentionDays, quotaBytes: quotaBytes === "none" ? null : quotaBytes },
    `The account ${username} was made, but its password is lost: give it another one with: restbackup account rotate ${username}`,
  );
}

async function list({ output, signal }: Context, { data }: Flags): Promise<void> {
  const { listAccounts, measureAccount } = await import("../../server/account-changes.ts");
  await actAsOwner(data);
  const accounts = [];
  for (const state of await listAccounts(data)) {
    const { files, bytes } = await measureAccount(data, state.username, { signal });
    accounts.push({ ...stateJson(state), files, bytes });
  }
  if (accounts.length === 0) {
    output.notice("There are no accounts yet. Make one with: restbackup account create");
  }
  await output.result(
    accounts.map(({ username, created, retentionDays, quotaBytes, disabled, files, bytes }) =>
      [
        username.padEnd(12),
        `made ${timeInWords(created).slice(0, 10)}`,
        `keeps ${String(retentionDays).padStart(3)} days`,
        `${countInWords(files, "file")}, ${sizeInWords(bytes)}${quotaBytes === null ? "" : ` of ${sizeInWords(quotaBytes)}`}`,
        ...(disabled ? ["disabled"] : []),
      ].join("  "),
    ),
    { accounts },
  );
}

async function set(context: Context, username: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(flags);
  if (Object.keys(settings).length === 0) {
    throw new RestbackupError("usage", "There is nothing to set.", {
      hint: "Give --retention or --quota, or both.",
    });
  }
  await change(context, username, flags, settings);
}

async function change(
  { output, signal }: Context,
  username: string,
  { data }: Flags,
  wanted: AccountChange,
): Promise<void> {
  const { changeAccount, measureAccount } = await import("../../server/account-changes.ts");
  await actAsOwner(data);
  const state = await changeAccount(data, username, wanted);
  if (wanted.retentionDays !== undefined) {
    const { retentionDays } = state;
    const older = await measureAccount(data, username, { olderThanDays: retentionDays, signal });
    if (older.files > 0) {
      output.warn(
        `${countInWords(older.files, "file")} (${sizeInWords(older.bytes)}) of ${username} are older than ${retentionDays} days: the server deletes them within about an hour. To keep them, set a longer retention now.`,
      );
    }
  }
  await output.summary(stateInWords(state), stateJson(state));
}

async function rotate({ output }: Context, username: string, flags: Flags): Promise<void> {
  const origin = await originOf(flags.host);
  const { rotatePassword } = await import("../../server/account-changes.ts");
  await actAsOwner(flags.data);
  const { password, ...state } = await rotatePassword(flags.data, username);
  const accessUrl = accessUrlOf(origin, username, password);
  output.notice("This access url is shown once; the password in it is stored nowhere else:");
  await output.result(
    [accessUrl],
    { accessUrl, ...stateJson(state) },
    `The password of ${username} was changed, but the new one is lost: rotate it again.`,
  );
  if (state.disabled) output.warn(`The account ${username} is disabled.`);
}

async function endAllSessions(
  { output }: Context,
  username: string,
  { data }: Flags,
): Promise<void> {
  const { endSessions } = await import("../../server/sessions.ts");
  await actAsOwner(data);
  const ended = await endSessions(data, username);
  await output.summary([`Ended ${countInWords(ended, "session")} of ${username}.`], {
    username,
    ended,
  });
}

function stateInWords({ username, disabled, retentionDays, quotaBytes }: AccountState): string[] {
  return [
    `Account ${username}${disabled ? ", disabled" : ""}`,
    ...table([
      ["keeps", `backups for ${retentionDays} days`],
      ["quota", quotaBytes === undefined ? "none" : sizeInWords(quotaBytes)],
    ]),
  ];
}

function stateJson(state: AccountState) {
  return { ...state, quotaBytes: state.quotaBytes ?? null };
}

/** What --retention and --quota say; what is not given is left out. Throws `usage`. */
async function settingsOf({ retention, quota }: Flags): Promise<AccountChange> {
  const { parseDuration, parseSize } = await import("../../operations/units.ts");
  return {
    ...(retention === undefined ? {} : { retentionDays: parseDuration(retention) / DAY }),
    ...(quota === undefined ? {} : { quotaBytes: quota === "none" ? quota : parseSize(quota) }),
  };
}

function accessUrlOf(origin: string, username: string, password: string): string {
  return `${origin.replace("://", `://${username}:${password}@`)}/`;
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
