import path from "node:path";
import * as core from "@actions/core";
import { parseKey, parseRecipients } from "../encryption/keys.ts";
import { parseSigningKey, parseTrustedSigners } from "../encryption/signing.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import type { BackupOptions } from "../operations/backup.ts";
import type { RehearseOptions } from "../operations/rehearse.ts";
import type { RestoreOptions } from "../operations/restore.ts";
import type { SnapshotOptions } from "../operations/snapshot.ts";
import { parseDuration, parsePercent, parseSize, parseTime } from "../operations/units.ts";
import { githubAddresses, parseRepository } from "../snapshot/address.ts";
import { maskPingUrl, maskSecrets, maskToken } from "./masks.ts";

/** What to do when there is nothing to work on. */
export type WhenNothing = "error" | "warn" | "ignore";

/** What the backup step is to do; the rest is passed on to the operation as it is. */
export interface BackupInputs extends Omit<BackupOptions, "store"> {
  readonly accessUrl: string;
  readonly ifNoFilesFound: WhenNothing;
  /** Give the cache of GitHub Actions a copy. */
  readonly cache: boolean;
}

/** What the snapshot step is to do. */
export interface SnapshotInputs extends Omit<SnapshotOptions, "store" | "env"> {
  readonly accessUrl: string;
}

/** What the restore step is to do. */
export interface RestoreInputs extends Omit<RestoreOptions, "store"> {
  readonly accessUrl: string;
  readonly ifNotFound: WhenNothing;
  /** Take an older backup where the newest cannot be restored. */
  readonly fallback: boolean;
  /** Ask the cache of GitHub Actions for a copy first. */
  readonly cache: boolean;
}

/** What the verify step is to do. */
export interface VerifyInputs extends Omit<RehearseOptions, "store" | "to" | "command"> {
  readonly accessUrl: string;
  readonly command: string | undefined;
  /** A secret. */
  readonly pingUrl: string | undefined;
}

/**
 * The inputs of the backup step (action.yml), with every secret masked. Throws `usage` in words that
 * name the input.
 */
export async function backupInputs(): Promise<BackupInputs> {
  const storing = await storingInputs();
  return {
    ...storing,
    ifNoFilesFound: whenNothing("if-no-files-found"),
    name: name(),
    paths: required("path"),
    patterns: true,
    exclude: lines("exclude"),
    cwd: workspace(),
    cache: boolean("cache"),
  };
}

/** The inputs of the snapshot step (snapshot/action.yml); otherwise as {@link backupInputs}. */
export async function snapshotInputs(): Promise<SnapshotInputs> {
  const token = core.getInput("token");
  maskToken(token);
  const storing = await storingInputs();
  const repository = core.getInput("repository") || process.env.GITHUB_REPOSITORY || "";
  const { repo } = inInput("repository", () => parseRepository(repository));
  return {
    ...storing,
    ...githubAddresses(process.env),
    repository,
    name: core.getInput("name") || `${repo}-snapshot`,
    token: optional(token, (text) => text),
    wiki: boolean("wiki", true),
    lfs: boolean("lfs", true),
    metadata: boolean("metadata", true),
    strict: boolean("strict"),
    maxWait: inInput("max-wait", () => parseDuration(core.getInput("max-wait") || "30m")),
  };
}

/** Where and how a step stores what it backs up; masks the secrets among that. */
async function storingInputs() {
  const accessUrl = core.getInput("access-url");
  const key = core.getInput("key");
  const signingKey = core.getInput("signing-key");
  maskSecrets(accessUrl, key, signingKey);
  const recipients = lines("recipients");
  requireSecret("access-url", accessUrl);
  if (key === "" && recipients.length === 0) {
    throw new RestbackupError("usage", "Both inputs key and recipients are empty.", {
      hint: `A backup is always encrypted: give one of them. ${EMPTY_SECRET}`,
    });
  }
  const level = core.getInput("compression-level");
  if (level !== "" && !/^(1?[1-9]|10)$/.test(level)) {
    throw wrong("compression-level", level, "Give a whole number from 1 to 19.");
  }
  const volumeSize = core.getInput("volume-size");
  return {
    accessUrl,
    key: await optional(key, (text) => inInput("key", () => parseKey(text))),
    recipients: await inInput("recipients", () => parseRecipients(recipients)),
    signingKey: optional(signingKey, (text) => inInput("signing-key", () => parseSigningKey(text))),
    level: optional(level, Number),
    volumeSize: optional(volumeSize, (text) => inInput("volume-size", () => parseSize(text))),
  };
}

/** The inputs of the restore step (restore/action.yml); otherwise as {@link backupInputs}. */
export async function restoreInputs(): Promise<RestoreInputs> {
  const accessUrl = core.getInput("access-url");
  const key = core.getInput("key");
  maskSecrets(accessUrl, key);
  requireSecret("access-url", accessUrl);
  requireSecret("key", key);
  const at = core.getInput("at");
  const entry = core.getInput("entry");
  const include = lines("include");
  if (entry !== "" && at !== "") {
    throw new RestbackupError("usage", "The inputs entry and at exclude each other.", {
      hint: "An entry is one certain backup; leave one of them out.",
    });
  }
  const fallback = boolean("fallback");
  if (entry !== "" && fallback) {
    throw new RestbackupError("usage", "The inputs entry and fallback exclude each other.", {
      hint: "An entry is one certain backup: there is nothing to fall back to.",
    });
  }
  return {
    accessUrl,
    key: await inInput("key", () => parseKey(key)),
    trustedSigners: inInput("trusted-signers", () => parseTrustedSigners(lines("trusted-signers"))),
    allowUnauthenticated: boolean("allow-unauthenticated"),
    ...(entry === "" ? { name: name() } : { entry }),
    at: optional(at, (text) => inInput("at", () => parseTime(text))),
    to: path.resolve(workspace(), core.getInput("path") || "."),
    include: include.length === 0 ? undefined : include,
    overwrite: boolean("overwrite"),
    ifNotFound: whenNothing("if-not-found"),
    fallback,
    cache: boolean("cache"),
  };
}

/** The inputs of the verify step (verify/action.yml); otherwise as {@link backupInputs}. */
export async function verifyInputs(): Promise<VerifyInputs> {
  const accessUrl = core.getInput("access-url");
  const key = core.getInput("key");
  const pingUrl = core.getInput("ping-url");
  maskSecrets(accessUrl, key);
  maskPingUrl(pingUrl);
  requireSecret("access-url", accessUrl);
  requireSecret("key", key);
  const entry = core.getInput("entry");
  const folder = core.getInput("path");
  const exclude = lines("exclude");
  if (folder === "" && exclude.length > 0) {
    throw new RestbackupError("usage", "The input exclude is of no use without path.", {
      hint: "It says what to leave out of the comparison with path.",
    });
  }
  return {
    accessUrl,
    key: await inInput("key", () => parseKey(key)),
    trustedSigners: inInput("trusted-signers", () => parseTrustedSigners(lines("trusted-signers"))),
    allowUnauthenticated: boolean("allow-unauthenticated"),
    ...(entry === "" ? { name: name() } : { entry }),
    maxAge: optional(core.getInput("max-age"), (text) =>
      inInput("max-age", () => parseDuration(text)),
    ),
    shrinkLimit: inInput("shrink-limit", () =>
      parsePercent(core.getInput("shrink-limit") || "50%"),
    ),
    compareWith: optional(folder, (text) => ({
      folder: path.resolve(workspace(), text),
      exclude,
    })),
    command: optional(core.getInput("command"), (text) => text),
    pingUrl: optional(pingUrl, (text) => text),
  };
}

/** Where relative paths start: the runner names it, whatever the working directory is. */
function workspace(): string {
  return path.resolve(process.env.GITHUB_WORKSPACE || ".");
}

/** The name of the backup: the input, or that of the repository without its owner. */
function name(): string {
  const given = core.getInput("name");
  if (given !== "") return given;
  const repository = process.env.GITHUB_REPOSITORY?.split("/").at(-1);
  if (repository) return repository;
  throw new RestbackupError("usage", "The input name is empty, and no repository gives one.", {
    hint: "Set name, for example to website.",
  });
}

/** The lines of a multi-line input, trimmed, without empty ones. */
function lines(input: string): string[] {
  return core
    .getInput(input)
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function required(input: string): string[] {
  const given = lines(input);
  if (given.length > 0) return given;
  throw new RestbackupError("usage", `The input ${input} is empty.`);
}

function requireSecret(input: string, value: string): void {
  if (value !== "") return;
  throw new RestbackupError("usage", `The input ${input} is empty.`, { hint: EMPTY_SECRET });
}

/** The usual reason why a secret is empty although the workflow passes it. */
const EMPTY_SECRET =
  "If the workflow passes a secret, check that it is set under that name here, and note that " +
  "GitHub gives no secrets to runs for pull requests from forks and from Dependabot: " +
  "skip this step there.";

/** What an input holds, parsed, or undefined for an empty one. */
function optional<T>(text: string, parse: (text: string) => T): T | undefined {
  return text === "" ? undefined : parse(text);
}

/** YAML 1.2 core schema booleans. */
function boolean(input: string, whenEmpty = false): boolean {
  const value = core.getInput(input);
  if (value === "") return whenEmpty;
  if (["true", "True", "TRUE"].includes(value)) return true;
  if (["false", "False", "FALSE"].includes(value)) return false;
  throw wrong(input, value, "Give true or false.");
}

function whenNothing(input: string): WhenNothing {
  const value = core.getInput(input);
  if (value === "") return "error";
  if (value === "error" || value === "warn" || value === "ignore") return value;
  throw wrong(input, value, "Give error, warn or ignore.");
}

function wrong(input: string, value: string, hint: string): RestbackupError {
  return new RestbackupError("usage", `The input ${input} cannot be "${printable(value)}".`, {
    hint,
  });
}

/**
 * Runs a parser that does not know which input its text is from, and names that in what it throws.
 */
function inInput<T>(input: string, parse: () => T): T {
  const named = (error: unknown): never => {
    if (!(error instanceof RestbackupError)) throw error;
    throw new RestbackupError(error.code, `The input ${input}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  };
  try {
    const parsed = parse();
    return parsed instanceof Promise ? (parsed.catch(named) as T) : parsed;
  } catch (error) {
    return named(error);
  }
}
