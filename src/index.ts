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
export type { TarMember, TarPiece } from "./archive/gnu-tar/reader.ts";
export { decryptAge, encryptAge, verifyAge } from "./encryption/age-stream.ts";
export type { ByteSource } from "./encryption/byte-source.ts";
export {
  ChlorocryptError,
  type ChlorocryptFault,
  chlorocryptSize,
  decryptChlorocrypt,
  encryptChlorocrypt,
  verifyChlorocrypt,
} from "./encryption/chlorocrypt.ts";
export type { HeaderOptions } from "./encryption/header.ts";
export {
  generateIdentity,
  parseKey,
  parseRecipients,
  type Recipient,
  type SecretKey,
} from "./encryption/keys.ts";
export { generatePassphrase } from "./encryption/passphrase.ts";
export {
  generateSigningKey,
  parseSigningKey,
  parseTrustedSigners,
  type SigningKey,
  type TrustedSigner,
} from "./encryption/signing.ts";
export { nodeTransform, type StreamStep, webTransform } from "./encryption/streams.ts";
export { type ErrorCode, RestbackupError } from "./errors.ts";
export {
  type BackupOptions,
  type BackupResult,
  backup,
  DEFAULT_VOLUME_SIZE,
  FOLDER_VOLUME_SIZE,
} from "./operations/backup.ts";
export {
  BackupApiClient,
  type BackupApiClientOptions,
  type GetOptions,
} from "./operations/backup-api-client.ts";
export { type CatOptions, type CatResult, cat } from "./operations/cat.ts";
export type { ShellCommand } from "./operations/command.ts";
export type { Content } from "./operations/content.ts";
export {
  type Aspect,
  type Difference,
  type DiffFolderOptions,
  type DiffResult,
  diffEntries,
  diffFolder,
} from "./operations/diff.ts";
export {
  type ArchiveEntry,
  type EntrySelector,
  findEntry,
  type ListOptions,
} from "./operations/entries.ts";
export { type FallbackOptions, restoreWithFallback } from "./operations/fallback.ts";
export {
  type LegacyReadOptions,
  type LegacyRestoreOptions,
  type LegacyRestoreResult,
  type LegacyResult,
  type LegacySelector,
  type LegacyShowResult,
  type LegacyVerifyOptions,
  type LegacyVerifyResult,
  restoreLegacy,
  showLegacy,
  verifyLegacy,
} from "./operations/legacy.ts";
export type { LegacyChain } from "./operations/legacy-chain.ts";
export { type ListBackupsOptions, list } from "./operations/list.ts";
export type { OpenOptions } from "./operations/open-entry.ts";
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
export type { FetchedFile, GetFileSettings, TransferSettings } from "./operations/transfer.ts";
export type { Session } from "./stores/backup-api.ts";
export { type OpenStoreOptions, openStore } from "./stores/open.ts";
export type { Environment } from "./stores/proxy.ts";
export type { RetryPolicy } from "./stores/retry.ts";
export type {
  PutSource,
  Store,
  StoredEntry,
  StoredObject,
  TransferOptions,
} from "./stores/store.ts";
