import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ioError, RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { ignoreMissing, makeFolder, syncFolder, writeDurably } from "../stores/durable.ts";
import type { Account, Accounts } from "./accounts.ts";
import { checkDataFolder, usernamesIn } from "./data-folder.ts";
import { Refusal } from "./refusal.ts";

/** How long a session works: `backup-api.md`, part 1. In seconds. */
const LIFETIME = 24 * 3600;
/** How long it is known afterwards that there was one, in seconds. */
const REMEMBERED = 30 * 24 * 3600;
/** How many sessions of one account may work at a time. */
const MAX_LIVE = 250;
/** How many sessions of one account are kept on disk, with those that are over. */
const MAX_KEPT = 1000;

const FOLDER_CHARACTERS = 16;
/** 16 characters that lead to the account's folder, and 192 random bits; all hex. */
const TOKEN = /^[0-9a-f]{64}$/;
const RECORD_FILE = /^[0-9a-f]{64}\.json$/;

/**
 * A session as `sessions/FOLDER/HASH.json` holds it: HASH is the SHA-256 of the token, which itself
 * is nowhere. FOLDER stands for the account, so that its sessions are found without reading all.
 */
interface SessionRecord {
  readonly username: string;
  /** Of the credentials it was made with. */
  readonly generation: string;
  /** Unix seconds. */
  readonly created: number;
  /** Unix seconds; moved to an earlier time, with `ended`, when somebody ends it. */
  readonly expires: number;
  readonly ended?: true;
}

interface StoredSession {
  readonly path: string;
  readonly record: SessionRecord;
}

/** A session that works. */
export interface LiveSession {
  readonly state: "live";
  readonly account: Account;
  /** Unix seconds. */
  readonly expires: number;
}

/** What there is to say of a token. */
type SessionState =
  | LiveSession
  /** Over, by its age or because it was ended; `since` is in Unix seconds. */
  | { readonly state: "expired" | "ended"; readonly since: number }
  | { readonly state: "unknown" };

/**
 * The sessions of a data folder: urls that show and give an account's backups for a day without
 * credentials. They are read anew for each request, so one that another process ends is over at once.
 */
export class Sessions {
  readonly #dataDir: string;
  readonly #accounts: Accounts;
  readonly #clock: () => number;
  /** Sessions are made one after the other, so that together they keep within the bounds. */
  #making: Promise<unknown> = Promise.resolve();

  constructor(dataDir: string, accounts: Accounts, clock: () => number) {
    this.#dataDir = dataDir;
    this.#accounts = accounts;
    this.#clock = clock;
  }

  /**
   * Makes a session and gives its token, once. It is on stable storage when this resolves.
   * Throws a refusal (429) when the account has too many.
   */
  async make(account: Account): Promise<string> {
    const made = this.#making.then(() => this.#make(account));
    this.#making = made.catch(() => {});
    return await made;
  }

  async #make({ username, generation }: Account): Promise<string> {
    const now = this.#now();
    const folder = folderOf(this.#dataDir, username);
    await makeFolder(folder);
    await this.#makeRoom(folder, generation, now);
    const token = folderName(username) + randomBytes(24).toString("hex");
    const record = { username, generation, created: now, expires: now + LIFETIME };
    await writeRecord(join(folder, recordFile(token)), record);
    return token;
  }

  /** Forgets what is long over, and refuses when too many are not over. */
  async #makeRoom(folder: string, generation: string, now: number): Promise<void> {
    // With few files there is nothing to count; what is long over is then removed by the next start.
    if ((await readdir(folder)).length < MAX_LIVE) return;
    const sessions = await readSessions(folder);
    const isLive = ({ record }: StoredSession) =>
      now < record.expires && record.generation === generation;
    const live = sessions.filter(isLive);
    if (live.length >= MAX_LIVE) {
      const first = live.reduce((least, { record }) => Math.min(least, record.expires), Infinity);
      throw new Refusal(429, `The account has ${MAX_LIVE} sessions already. Each lasts 24 hours.`, {
        "Retry-After": String(Math.max(1, first - now)),
      });
    }
    const over = sessions
      .filter((session) => !isLive(session))
      .sort((a, b) => b.record.expires - a.record.expires);
    const remembered = MAX_KEPT - 1 - live.length;
    for (const [index, { path, record }] of over.entries()) {
      if (index >= remembered || now >= record.expires + REMEMBERED)
        await rm(path, { force: true });
    }
  }

  /** What a token is good for at this moment. */
  async find(token: string): Promise<SessionState> {
    // Found by its hash: how long a miss takes tells nothing about tokens that exist.
    const path = this.#pathOf(token);
    const record = path === undefined ? undefined : await readRecord(path);
    if (record === undefined) return { state: "unknown" };
    const now = this.#now();
    if (now >= record.expires + REMEMBERED) return { state: "unknown" };
    if (now >= record.expires) {
      return { state: record.ended === true ? "ended" : "expired", since: record.expires };
    }
    const account = await this.#accounts.find(record.username);
    if (account?.generation !== record.generation) return { state: "ended", since: now };
    return { state: "live", account, expires: record.expires };
  }

  /** Ends a session before its time, durably. */
  async end(token: string): Promise<void> {
    const path = this.#pathOf(token);
    if (path === undefined) return;
    const record = await readRecord(path);
    if (record !== undefined) await endRecord(path, record, this.#now());
  }

  /** Removes what a killed server was writing, and all sessions that are long over. */
  async tidy(): Promise<void> {
    const top = join(this.#dataDir, "sessions");
    const now = this.#now();
    for (const name of (await ignoreMissing(readdir(top))) ?? []) {
      const folder = join(top, name);
      for (const file of (await ignoreMissing(readdir(folder))) ?? []) {
        if (file.endsWith(".tmp")) await rm(join(folder, file), { force: true });
      }
      for (const { path, record } of await readSessions(folder)) {
        if (now >= record.expires + REMEMBERED) await rm(path, { force: true });
      }
    }
  }

  #pathOf(token: string): string | undefined {
    if (!TOKEN.test(token)) return undefined;
    return join(this.#dataDir, "sessions", token.slice(0, FOLDER_CHARACTERS), recordFile(token));
  }

  #now(): number {
    return Math.floor(this.#clock() / 1000);
  }
}

/**
 * Ends all sessions of an account, also while a server runs. Gives how many were not over yet.
 * Throws `not-found` when there is no such account, `io`.
 */
export async function endSessions(
  dataDir: string,
  username: string,
  clock: () => number = Date.now,
): Promise<number> {
  await checkDataFolder(dataDir);
  const now = Math.floor(clock() / 1000);
  try {
    if (!(await usernamesIn(dataDir)).includes(username)) {
      throw new RestbackupError("not-found", `There is no account ${printable(username)}.`);
    }
    const sessions = await readSessions(folderOf(dataDir, username));
    const live = sessions.filter(({ record }) => now < record.expires);
    for (const { path, record } of live) await endRecord(path, record, now);
    return live.length;
  } catch (error) {
    throw ioError("Cannot end the sessions", error);
  }
}

function folderOf(dataDir: string, username: string): string {
  return join(dataDir, "sessions", folderName(username));
}

/** Stands for the account in tokens, so that a link does not show the username. */
function folderName(username: string): string {
  return sha256(`sessions of ${username}`).slice(0, FOLDER_CHARACTERS);
}

function recordFile(token: string): string {
  return `${sha256(token)}.json`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function readSessions(folder: string): Promise<StoredSession[]> {
  const sessions: StoredSession[] = [];
  for (const file of (await ignoreMissing(readdir(folder))) ?? []) {
    if (!RECORD_FILE.test(file)) continue;
    const path = join(folder, file);
    const record = await readRecord(path);
    if (record !== undefined) sessions.push({ path, record });
  }
  return sessions;
}

async function readRecord(path: string): Promise<SessionRecord | undefined> {
  const text = await ignoreMissing(readFile(path, "utf8"));
  return text === undefined ? undefined : (JSON.parse(text) as SessionRecord);
}

async function endRecord(path: string, record: SessionRecord, now: number): Promise<void> {
  if (now >= record.expires) return;
  await writeRecord(path, { ...record, expires: now, ended: true });
}

/** Puts a record in place (0600), whole and durable; it replaces an earlier one. */
async function writeRecord(path: string, record: SessionRecord): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeDurably(temporary, `${JSON.stringify(record)}\n`);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(temporary, { force: true });
  }
}
