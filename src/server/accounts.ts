import { createHmac, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import { statSync } from "node:fs";
import { ioError, RestbackupError } from "../errors.ts";
import { type DirectoryStore, openDirectoryStore } from "../stores/directory.ts";
import { type AccountRecord, generationOf, readRecord } from "./account-record.ts";
import {
  archivesPath,
  prepareDataFolder,
  recordPath,
  replaceJson,
  usernamesIn,
  withDataLock,
  writeNewJson,
} from "./data-folder.ts";
import { hashPassword, isOutdated, matches } from "./passwords.ts";
import { Usage } from "./usage.ts";

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const USERNAME = /^[a-zA-Z0-9]{1,64}$/;
/** Of as many accounts a verified password is remembered. */
const MOST_REMEMBERED = 10_000;

/** An account that may be used. */
export interface Account {
  readonly username: string;
  /** How long entries are kept, in days. */
  readonly retentionDays: number;
  /** How many bytes its entries may have together; absent where only the disk is the limit. */
  readonly quotaBytes?: number;
  /** When it was made: Unix seconds. */
  readonly created: number;
  /** Another one with each password: what was made with earlier credentials ends with them. */
  readonly generation: string;
}

/** What the operator decides about an account. */
export interface AccountSettings {
  readonly retentionDays: number;
  readonly quotaBytes?: number | undefined;
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
  options: AccountSettings & { readonly clock?: () => number },
): Promise<Credentials> {
  const { clock = Date.now, ...settings } = options;
  checkSettings(settings);
  const username = randomText(12);
  const password = randomPassword();
  try {
    await prepareDataFolder(dataDir);
    await openDirectoryStore(archivesPath(dataDir, username), { create: true });
    const { retentionDays, quotaBytes } = settings;
    const record: AccountRecord = {
      username,
      retentionDays,
      ...(quotaBytes === undefined ? {} : { quotaBytes }),
      created: Math.floor(clock() / 1000),
      password: await hashPassword(password),
    };
    await writeNewJson(recordPath(dataDir, username), record);
  } catch (error) {
    throw ioError("Cannot make the account", error);
  }
  return { username, password };
}

/** Throws `usage`. */
export function checkSettings({ retentionDays, quotaBytes }: AccountSettings): void {
  if (!Number.isInteger(retentionDays) || retentionDays < 30 || retentionDays > 365) {
    throw new RestbackupError("usage", "The retention must be 30 to 365 whole days.", {
      hint: "Write for example --retention 90d.",
    });
  }
  if (quotaBytes !== undefined && (!Number.isSafeInteger(quotaBytes) || quotaBytes < 1)) {
    throw new RestbackupError("usage", "The quota must be at least one byte.", {
      hint: "Write for example --quota 10G, or --quota none for no limit.",
    });
  }
}

/** A password that nobody can guess: 190 bits. */
export function randomPassword(): string {
  return randomText(32);
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join("");
}

/** A record as it was read, with what shows whether its file is still the same. */
interface CachedRecord {
  readonly version: string;
  readonly record: AccountRecord;
}

/**
 * The accounts of a data folder and their stores. Each call sees accounts as they are on disk at
 * that moment, for the price of one stat.
 */
export class Accounts {
  readonly #dataDir: string;
  readonly #clock: () => number;
  /** For remembering verified credentials without keeping them. */
  readonly #processKey = randomBytes(32);
  readonly #verified = new Map<string, Buffer>();
  /** Checks under way: many connections with the same credentials at once cost one. */
  readonly #checking = new Map<string, Promise<boolean>>();
  readonly #records = new Map<string, CachedRecord>();
  readonly #stores = new Map<string, Promise<DirectoryStore>>();
  readonly #usages = new Map<string, Usage>();

  constructor(dataDir: string, clock: () => number) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  /**
   * Brings the data folder up to date and opens the stores of all accounts, which settles what a
   * killed server left behind. An account whose record is damaged is passed over: its requests fail.
   */
  async openAll(): Promise<void> {
    await prepareDataFolder(this.#dataDir);
    for (const username of await this.usernames()) {
      const account = await this.findAny(username).catch((error: unknown) => {
        if (error instanceof RestbackupError && error.code === "damaged") return undefined;
        throw error;
      });
      if (account !== undefined) await this.storeOf(account);
    }
  }

  /** All that have a record, disabled ones too. */
  async usernames(): Promise<string[]> {
    return await usernamesIn(this.#dataDir);
  }

  /**
   * The account whose credentials these are, or undefined. Takes the same time for a wrong password
   * as for a username that does not exist. Calls `onGuess` before a password is computed, which can
   * throw to prevent that. Throws a refusal when too many log in at once.
   */
  async verify(
    { username, password }: Credentials,
    onGuess: () => void = () => {},
  ): Promise<Account | undefined> {
    const record = usable(await this.#read(username));
    // Bound to the stored hash: a changed password is not the one that was remembered.
    const proof = createHmac("sha256", this.#processKey)
      .update(JSON.stringify([username, password, record?.password.scrypt ?? ""]))
      .digest();
    const remembered = this.#verified.get(username);
    if (record !== undefined && remembered !== undefined && timingSafeEqual(remembered, proof)) {
      return accountOf(record);
    }
    const check = () => {
      onGuess();
      return matches(password, record?.password);
    };
    if (!(await this.#once(proof.toString("hex"), check))) return undefined;
    this.#remember(username, proof);
    if (isOutdated(record!.password)) await this.#rehash(record!, password);
    return accountOf(record!);
  }

  /** The account as it is now, or undefined when there is none that may be used. */
  async find(username: string): Promise<Account | undefined> {
    const record = usable(await this.#read(username));
    return record === undefined ? undefined : accountOf(record);
  }

  /** As {@link find}, and disabled accounts too: what they stored is still kept, and expires. */
  async findAny(username: string): Promise<Account | undefined> {
    const record = await this.#read(username);
    return record === undefined ? undefined : accountOf(record);
  }

  /** The store that holds an account's entries. */
  storeOf(account: Account): Promise<DirectoryStore> {
    const open = this.#stores.get(account.username);
    if (open !== undefined) return open;
    const opening = openDirectoryStore(archivesPath(this.#dataDir, account.username), {
      create: true,
      clock: this.#clock,
    });
    this.#stores.set(account.username, opening);
    // A failure, such as a full disk, may pass: the next request tries again.
    opening.catch(() => this.#stores.delete(account.username));
    return opening;
  }

  /** How much an account stores. */
  usageOf({ username }: Account): Usage {
    let usage = this.#usages.get(username);
    if (usage === undefined) {
      usage = new Usage();
      this.#usages.set(username, usage);
    }
    return usage;
  }

  #once(key: string, check: () => Promise<boolean>): Promise<boolean> {
    const running = this.#checking.get(key);
    if (running !== undefined) return running;
    const checking = check().finally(() => this.#checking.delete(key));
    this.#checking.set(key, checking);
    return checking;
  }

  /** The latest last; when there are too many the one that was verified longest ago is forgotten. */
  #remember(username: string, proof: Buffer): void {
    this.#verified.delete(username);
    this.#verified.set(username, proof);
    if (this.#verified.size > MOST_REMEMBERED) {
      this.#verified.delete(this.#verified.keys().next().value!);
    }
  }

  /** Hashes a password anew that was hashed with less effort than is usual now. */
  async #rehash(verified: AccountRecord, password: string): Promise<void> {
    // With the same salt, which is also what tells one password's sessions from the next one's.
    const salt = Buffer.from(verified.password.salt, "base64");
    const hashed = await hashPassword(password, salt);
    const path = recordPath(this.#dataDir, verified.username);
    await withDataLock(this.#dataDir, async () => {
      const record = await readRecord(path, verified.username);
      if (record?.password.scrypt !== verified.password.scrypt) return;
      await replaceJson(path, { ...record, password: hashed });
    });
  }

  async #read(username: string): Promise<AccountRecord | undefined> {
    if (!USERNAME.test(username)) return undefined;
    const path = recordPath(this.#dataDir, username);
    // At once: what was just asked for by the request before is in memory.
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    // Replacing a record makes a new file.
    const version =
      stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
    const cached = this.#records.get(username);
    if (cached !== undefined && cached.version === version) return cached.record;
    this.#records.delete(username);
    this.#verified.delete(username);
    if (stats === undefined) return undefined;
    const record = await readRecord(path, username);
    // A file that was replaced between the two calls has another version at the next request.
    if (record !== undefined) this.#records.set(username, { version, record });
    return record;
  }
}

function usable(record: AccountRecord | undefined): AccountRecord | undefined {
  return record?.disabled === true ? undefined : record;
}

function accountOf(record: AccountRecord): Account {
  const { username, retentionDays, quotaBytes, created } = record;
  return {
    username,
    retentionDays,
    ...(quotaBytes === undefined ? {} : { quotaBytes }),
    created,
    generation: generationOf(record),
  };
}
