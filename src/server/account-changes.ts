import { ioError, RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { openDirectoryStore } from "../stores/directory.ts";
import { type AccountRecord, readRecord } from "./account-record.ts";
import { type Credentials, checkSettings, randomPassword } from "./accounts.ts";
import {
  archivesPath,
  checkDataFolder,
  recordPath,
  replaceJson,
  usernamesIn,
  withDataLock,
} from "./data-folder.ts";
import { deletetimeOf } from "./listing.ts";
import { hashPassword } from "./passwords.ts";
import { endSessions } from "./sessions.ts";

/** An account as its operator sees it. */
export interface AccountState {
  readonly username: string;
  readonly disabled: boolean;
  readonly retentionDays: number;
  /** Undefined where only the disk is the limit. */
  readonly quotaBytes: number | undefined;
  /** Unix seconds. */
  readonly created: number;
}

/** What is to become of an account; what is left out stays. */
export interface AccountChange {
  readonly disabled?: boolean;
  readonly retentionDays?: number;
  /** `"none"` removes it. */
  readonly quotaBytes?: number | "none";
}

/** All accounts, by username. Throws `not-found` without a data folder, `damaged`, `io`. */
export async function listAccounts(dataDir: string): Promise<AccountState[]> {
  await checkDataFolder(dataDir);
  try {
    const states: AccountState[] = [];
    for (const username of await usernamesIn(dataDir)) {
      const record = await readRecord(recordPath(dataDir, username), username);
      if (record !== undefined) states.push(stateOf(record));
    }
    return states;
  } catch (error) {
    throw ioError("Cannot list the accounts", error);
  }
}

/**
 * What an account stores: all of it, or what is older than so many days. Nothing where there is no
 * store yet. Throws `io`.
 */
export async function measureAccount(
  dataDir: string,
  username: string,
  options: { readonly olderThanDays?: number; readonly signal?: AbortSignal } = {},
): Promise<{ files: number; bytes: number }> {
  const { olderThanDays, signal } = options;
  const measure = { files: 0, bytes: 0 };
  const store = await openDirectoryStore(archivesPath(dataDir, username)).catch((error) => {
    if (error instanceof RestbackupError && error.code === "not-found") return undefined;
    throw error;
  });
  if (store === undefined) return measure;
  const now = Date.now() / 1000;
  for await (const { size, createtime } of store.list(signal === undefined ? {} : { signal })) {
    if (
      olderThanDays !== undefined &&
      deletetimeOf(createtime, { retentionDays: olderThanDays }) >= now
    ) {
      continue;
    }
    measure.files += 1;
    measure.bytes += size;
  }
  return measure;
}

/**
 * Changes an account; a running server goes by it from the next request on. Of commands at the same
 * time none undoes what another did. Throws `not-found`, `usage`, `io`.
 */
export async function changeAccount(
  dataDir: string,
  username: string,
  change: AccountChange,
): Promise<AccountState> {
  const state = await update(dataDir, username, (record) => {
    const { disabled = record.disabled, retentionDays = record.retentionDays } = change;
    const quotaBytes = change.quotaBytes ?? record.quotaBytes;
    const { disabled: _, quotaBytes: __, ...rest } = record;
    const changed: AccountRecord = {
      ...rest,
      retentionDays,
      ...(quotaBytes === undefined || quotaBytes === "none" ? {} : { quotaBytes }),
      ...(disabled === true ? { disabled } : {}),
    };
    checkSettings(changed);
    return changed;
  });
  // Enabled again, the account does not bring back links that had been given away.
  if (change.disabled === true) await endSessions(dataDir, username);
  return state;
}

/**
 * Gives an account a new password, which is returned here only. The old one is refused at once, and
 * sessions that were made with it end. Throws `not-found`, `io`.
 */
export async function rotatePassword(
  dataDir: string,
  username: string,
): Promise<Credentials & AccountState> {
  const password = randomPassword();
  const hashed = await hashPassword(password);
  const state = await update(dataDir, username, (record) => ({ ...record, password: hashed }));
  return { ...state, password };
}

async function update(
  dataDir: string,
  username: string,
  change: (record: AccountRecord) => AccountRecord,
): Promise<AccountState> {
  await checkDataFolder(dataDir);
  try {
    if (!(await usernamesIn(dataDir)).includes(username)) throw unknown(username);
    return await withDataLock(dataDir, async () => {
      const path = recordPath(dataDir, username);
      const record = await readRecord(path, username);
      if (record === undefined) throw unknown(username);
      const changed = change(record);
      await replaceJson(path, changed);
      return stateOf(changed);
    });
  } catch (error) {
    throw ioError("Cannot change the account", error);
  }
}

function unknown(username: string): RestbackupError {
  return new RestbackupError("not-found", `There is no account ${printable(username)}.`, {
    hint: "List those there are with: restbackup account list --data FOLDER.",
  });
}

function stateOf(record: AccountRecord): AccountState {
  const { username, disabled = false, retentionDays, quotaBytes, created } = record;
  return { username, disabled, retentionDays, quotaBytes, created };
}
