import path from "node:path";
import * as core from "@actions/core";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { parseSize, parseTime } from "../operations/units.ts";
import { maskSecrets } from "./masks.ts";

/** What to do when there is nothing to work on. */
export type WhenNothing = "error" | "warn" | "ignore";

export interface BackupInputs {
  readonly accessUrl: string;
  readonly key: string | undefined;
  readonly recipients: readonly string[];
  readonly signingKey: string | undefined;
  readonly path: readonly string[];
  readonly exclude: readonly string[];
  readonly name: string;
  readonly ifNoFilesFound: WhenNothing;
  /** 1 to 19. */
  readonly compressionLevel: number;
  /** Bytes. */
  readonly volumeSize: number | undefined;
  /** Absolute. */
  readonly workspace: string;
}

export interface RestoreInputs {
  readonly accessUrl: string;
  readonly key: string;
  readonly trustedSigners: readonly string[];
  readonly allowUnauthenticated: boolean;
  /** The entry, or the name of which the latest, at or before a time, is meant. */
  readonly selector: { readonly entry: string } | { readonly name: string; readonly at?: Date };
  /** The folder to restore into: absolute. */
  readonly to: string;
  readonly include: readonly string[];
  readonly overwrite: boolean;
  readonly ifNotFound: WhenNothing;
}

/**
 * The inputs of the backup step (action.yml), with every secret masked. Throws `usage` in words that
 * name the input.
 */
export function backupInputs(): BackupInputs {
  const accessUrl = core.getInput("access-url");
  const key = core.getInput("key");
  const signingKey = core.getInput("signing-key");
  maskSecrets(accessUrl, key, signingKey);
  const recipients = lines("recipients");
  requireSecret("access-url", accessUrl);
  if (key === "" && recipients.length === 0) {
    throw new RestbackupError("usage", "Both inputs key and recipients are empty.", {
      hint: `A backup is always encrypted: give one of them. ${emptySecretHint()}`,
    });
  }
  const level = core.getInput("compression-level");
  if (level !== "" && !/^(1?[1-9]|10)$/.test(level)) {
    throw wrong("compression-level", level, "Give a whole number from 1 to 19.");
  }
  const volumeSize = core.getInput("volume-size");
  return {
    accessUrl,
    key: key || undefined,
    recipients,
    signingKey: signingKey || undefined,
    path: required("path"),
    exclude: lines("exclude"),
    name: name(),
    ifNoFilesFound: whenNothing("if-no-files-found"),
    compressionLevel: level === "" ? 3 : Number(level),
    volumeSize: volumeSize === "" ? undefined : inInput("volume-size", () => parseSize(volumeSize)),
    workspace: workspace(),
  };
}

/** The inputs of the restore step (restore/action.yml); otherwise as {@link backupInputs}. */
export function restoreInputs(): RestoreInputs {
  const accessUrl = core.getInput("access-url");
  const key = core.getInput("key");
  maskSecrets(accessUrl, key);
  requireSecret("access-url", accessUrl);
  requireSecret("key", key);
  const at = core.getInput("at");
  const entry = core.getInput("entry");
  if (entry !== "" && at !== "") {
    throw new RestbackupError("usage", "The inputs entry and at exclude each other.", {
      hint: "An entry is one certain backup; leave one of them out.",
    });
  }
  return {
    accessUrl,
    key,
    trustedSigners: lines("trusted-signers"),
    allowUnauthenticated: boolean("allow-unauthenticated"),
    selector:
      entry !== ""
        ? { entry }
        : { name: name(), ...(at === "" ? {} : { at: inInput("at", () => parseTime(at)) }) },
    to: path.resolve(workspace(), core.getInput("path") || "."),
    include: lines("include"),
    overwrite: boolean("overwrite"),
    ifNotFound: whenNothing("if-not-found"),
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
  throw new RestbackupError("usage", `The input ${input} is empty.`, { hint: emptySecretHint() });
}

/** The usual reason why a secret is empty although the workflow passes it. */
function emptySecretHint(): string {
  return (
    "If the workflow passes a secret, check that it is set under that name here, and note that " +
    "GitHub gives no secrets to runs for pull requests from forks and from Dependabot: " +
    "skip this step there."
  );
}

/** YAML 1.2 core schema booleans; empty means false. */
function boolean(input: string): boolean {
  const value = core.getInput(input);
  if (["true", "True", "TRUE"].includes(value)) return true;
  if (["false", "False", "FALSE", ""].includes(value)) return false;
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

/** Runs a parser whose error does not know that its text was an input, and says which. */
function inInput<T>(input: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RestbackupError)) throw error;
    throw new RestbackupError(error.code, `The input ${input}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
