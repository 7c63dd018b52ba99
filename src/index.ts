/**
 * restbackup as a library: what the command line and the Action do, for programs.
 *
 * Everything public is here; files below are not.
 */
export type {
  ContentsEntry,
  ContentsIndex,
  ContentsSource,
  ContentsTotals,
  ContentsWarning,
} from "./archive/contents.ts";
export {
  generateIdentity,
  parseKey,
  parseRecipients,
  type Recipient,
  type SecretKey,
} from "./encryption/keys.ts";
export {
  generateSigningKey,
  parseSigningKey,
  parseTrustedSigners,
  type SigningKey,
  type TrustedSigner,
} from "./encryption/signing.ts";
export { type ErrorCode, RestbackupError } from "./errors.ts";
export {
  type BackupOptions,
  type BackupResult,
  backup,
  DEFAULT_VOLUME_SIZE,
} from "./operations/backup.ts";
export type { ShellCommand } from "./operations/command.ts";
export {
  type ArchiveEntry,
  type EntrySelector,
  findEntry,
  listEntries,
} from "./operations/entries.ts";
export { type FallbackOptions, restoreWithFallback } from "./operations/fallback.ts";
export type { OnProgress, Progress } from "./operations/progress.ts";
export { type RehearseOptions, type RehearseResult, rehearse } from "./operations/rehearse.ts";
export {
  type Authenticity,
  type ReadOptions,
  type RestoreOptions,
  type RestoreResult,
  restore,
  type ShowResult,
  show,
  type VerifyOptions,
  type VerifyResult,
  verify,
} from "./operations/restore.ts";
export { type OpenStoreOptions, openStore } from "./stores/open.ts";
export type {
  PutSource,
  Store,
  StoredEntry,
  StoredObject,
  TransferOptions,
} from "./stores/store.ts";
