import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { RestbackupError } from "../errors.ts";
import { ignoreMissing } from "../stores/durable.ts";
import type { HashedPassword, HashParameters } from "./passwords.ts";

/** An account as `accounts/USER.json` holds it. */
export interface AccountRecord {
  readonly username: string;
  /** How long entries are kept, in days. */
  readonly retentionDays: number;
  /** How many bytes its entries may have together; absent where only the disk is the limit. */
  readonly quotaBytes?: number;
  /** Whether it is closed for now: its credentials are refused. */
  readonly disabled?: boolean;
  /** Unix seconds. */
  readonly created: number;
  readonly password: HashedPassword;
}

/** Reads a record; undefined when there is none. Throws `damaged`. */
export async function readRecord(
  path: string,
  username: string,
): Promise<AccountRecord | undefined> {
  const text = await ignoreMissing(readFile(path, "utf8"));
  if (text === undefined) return undefined;
  const record = parseRecord(text);
  if (record === undefined) {
    throw new RestbackupError("damaged", `The account's record ${path} is damaged.`, {
      hint: "Restore the file from a copy of the data folder, or make a new account.",
    });
  }
  // On some file systems "User.json" is also found as "user.json".
  return record.username === username ? record : undefined;
}

function parseRecord(text: string): AccountRecord | undefined {
  let value: Partial<AccountRecord> | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { username, retentionDays, quotaBytes, disabled, created, password } = value;
  const valid =
    typeof username === "string" &&
    isCount(retentionDays) &&
    (quotaBytes === undefined || isCount(quotaBytes)) &&
    (disabled === undefined || typeof disabled === "boolean") &&
    isCount(created) &&
    typeof password?.salt === "string" &&
    typeof password.scrypt === "string" &&
    isCount(password.N) &&
    isCount(password.r) &&
    isCount(password.p);
  return valid ? (value as AccountRecord) : undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** In version 1 of the data folder all passwords were hashed with these, and records lacked them. */
const VERSION_1_PARAMETERS: HashParameters = { N: 16_384, r: 8, p: 1 };

/**
 * A record of version 1 as version 2 has it, one that is that already as it is. Undefined for a
 * damaged one, which stays as it is, so that its own account alone is out of order.
 */
export function addHashParameters(text: string): AccountRecord | undefined {
  try {
    const record = JSON.parse(text) as AccountRecord;
    return { ...record, password: { ...VERSION_1_PARAMETERS, ...record.password } };
  } catch {
    return undefined;
  }
}

/**
 * Another text with each password. The salt is drawn anew with each, and says nothing about it.
 */
export function generationOf({ password }: AccountRecord): string {
  return createHash("sha256").update(password.salt).digest("hex").slice(0, 16);
}
