import {
  createHash,
  createHmac,
  randomBytes,
  randomInt,
  scrypt,
  timingSafeEqual,
} from "node:crypto";
import { link, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ioError, RestbackupError } from "../errors.ts";
import { type DirectoryStore, openDirectoryStore } from "../stores/directory.ts";
import { ignoreMissing, makeFolder, syncFolder, writeDurably } from "../stores/durable.ts";

/** The data folder holds `version.json`, `accounts/USER.json` and the stores `archives/USER/`. */
const FORMAT = { format: "restbackup server data", version: 1 };

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const USERNAME = /^[a-zA-Z0-9]{1,64}$/;
const SCRYPT = { N: 16384, r: 8, p: 1 };
const HASH_BYTES = 32;

export interface Account {
  readonly username: string;
  /** How long entries are kept, in days. */
  readonly retentionDays: number;
  /** Another one with each password: what was made with earlier credentials ends with them. */
  readonly generation: string;
}

/** An account as `accounts/USER.json` holds it. */
interface AccountRecord extends Omit<Account, "generation"> {
  /** Unix seconds. */
  readonly created: number;
  /** Base64; the password itself is nowhere. */
  readonly password: { readonly salt: string; readonly scrypt: string };
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Makes an account with a username and password that are random and fit in an access url
 * (`backup-api.md`, part 1). The password is given here only. A running server takes the account
 * up by itself. Throws `usage` for a retention outside of 30 to 365 days, `io`.
 */
export async function createAccount(
  dataDir: string,
  options: { readonly retentionDays: number; readonly clock?: () => number },
): Promise<Credentials> {
  const { retentionDays, clock = Date.now } = options;
  if (!Number.isInteger(retentionDays) || retentionDays < 30 || retentionDays > 365) {
    throw new RestbackupError("usage", "The retention must be 30 to 365 whole days.", {
      hint: "Write for example --retention 90d.",
    });
  }
  const username = randomText(12);
  const password = randomText(32);
  try {
    await prepareDataDir(dataDir);
    await openDirectoryStore(archivesOf(dataDir, username), { create: true });
    const salt = randomBytes(16);
    const record: AccountRecord = {
      username,
      retentionDays,
      created: Math.floor(clock() / 1000),
      password: {
        salt: salt.toString("base64"),
        scrypt: (await hashPassword(password, salt)).toString("base64"),
      },
    };
    await writeNew(join(dataDir, "accounts", `${username}.json`), record);
  } catch (error) {
    throw ioError("Cannot make the account", error);
  }
  return { username, password };
}

/** Makes the data folder where it is missing. Throws `usage` when a later version made it. */
async function prepareDataDir(dataDir: string): Promise<void> {
  await makeFolder(join(dataDir, "accounts"));
  await makeFolder(join(dataDir, "archives"));
  const versionFile = join(dataDir, "version.json");
  const text = await ignoreMissing(readFile(versionFile, "utf8"));
  if (text === undefined) {
    await writeNew(versionFile, FORMAT);
    return;
  }
  if (text.trim() !== JSON.stringify(FORMAT)) {
    throw new RestbackupError(
      "usage",
      "The data folder is not one that this version of restbackup can serve.",
      { hint: "Use the restbackup that made it, or a later one." },
    );
  }
}

/** Writes a new JSON file (0600), whole or not at all. */
async function writeNew(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeDurably(temporary, `${JSON.stringify(value)}\n`);
    await link(temporary, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The accounts of a data folder, read anew for each request, and their stores. */
export class Accounts {
  readonly #dataDir: string;
  readonly #clock: () => number;
  /** For remembering verified credentials without keeping them. */
  readonly #processKey = randomBytes(32);
  readonly #verified = new Map<string, Buffer>();
  readonly #stores = new Map<string, Promise<DirectoryStore>>();

  constructor(dataDir: string, clock: () => number) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  /** Opens the stores of all accounts, which settles what a killed server left behind. */
  async openAll(): Promise<void> {
    await prepareDataDir(this.#dataDir);
    for (const file of await readdir(join(this.#dataDir, "accounts"))) {
      const account = await this.#read(file.replace(/\.json$/, ""));
      if (account !== undefined) await this.storeOf(account);
    }
  }

  /**
   * The account whose credentials these are, or undefined. Takes the same time for a wrong password
   * as for a username that does not exist.
   */
  async verify({ username, password }: Credentials): Promise<Account | undefined> {
    const record = await this.#read(username);
    const salt = Buffer.from(record?.password.salt ?? "", "base64");
    const expected = Buffer.from(record?.password.scrypt ?? "", "base64");
    // Bound to the stored hash: a changed password is not the one that was remembered.
    const proof = createHmac("sha256", this.#processKey)
      .update(JSON.stringify([username, password, record?.password.scrypt ?? ""]))
      .digest();
    const remembered = this.#verified.get(username);
    if (remembered !== undefined && timingSafeEqual(remembered, proof)) return record;
    const hash = await hashPassword(password, salt);
    const matches = expected.length === hash.length && timingSafeEqual(expected, hash);
    if (record === undefined || !matches) return undefined;
    this.#verified.set(username, proof);
    return record;
  }

  /** The account as it is now, or undefined when there is none that may be used. */
  async find(username: string): Promise<Account | undefined> {
    return await this.#read(username);
  }

  /** The store that holds an account's entries. */
  storeOf(account: Account): Promise<DirectoryStore> {
    const open = this.#stores.get(account.username);
    if (open !== undefined) return open;
    const opening = openDirectoryStore(archivesOf(this.#dataDir, account.username), {
      create: true,
      clock: this.#clock,
    });
    this.#stores.set(account.username, opening);
    // A failure, such as a full disk, may pass: the next request tries again.
    opening.catch(() => this.#stores.delete(account.username));
    return opening;
  }

  async #read(username: string): Promise<(AccountRecord & Account) | undefined> {
    if (!USERNAME.test(username)) return undefined;
    const path = join(this.#dataDir, "accounts", `${username}.json`);
    const text = await ignoreMissing(readFile(path, "utf8"));
    if (text === undefined) return undefined;
    const record = JSON.parse(text) as AccountRecord;
    // On some file systems "User.json" is also found as "user.json".
    return record.username === username
      ? { ...record, generation: generationOf(record) }
      : undefined;
  }
}

/** The salt is drawn anew with each password, and says nothing about it. */
function generationOf(record: AccountRecord): string {
  return createHash("sha256").update(record.password.salt).digest("hex").slice(0, 16);
}

function archivesOf(dataDir: string, username: string): string {
  return join(dataDir, "archives", username);
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join("");
}

const scryptAsync = promisify(
  (password: string, salt: Buffer, done: (error: Error | null, key: Buffer) => void) =>
    scrypt(password, salt, HASH_BYTES, SCRYPT, done),
);

async function hashPassword(password: string, salt: Buffer): Promise<Buffer> {
  return await scryptAsync(password, salt);
}
