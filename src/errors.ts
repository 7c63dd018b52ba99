/**
 * What went wrong, as a stable word a program can switch on. The fronts alone turn codes into exit
 * codes, annotations and HTTP statuses.
 */
export type ErrorCode =
  /** The request itself is wrong: an option, a name, a key that is no key. */
  | "usage"
  /** Nothing in the store (or on disk) matches what was asked for. */
  | "not-found"
  /** The archive is encrypted, and not to the key that was given. */
  | "wrong-key"
  /** Bytes are not what was written: corrupted, truncated, or no archive at all. */
  | "damaged"
  /** Readable, but nothing proves who wrote it, or it is not the entry it claims to be. */
  | "unauthentic"
  /** The store could not be reached, or gave no usable answer in time. */
  | "store-unreachable"
  /** The store answered, and said no. */
  | "store-refused"
  /** A put found the name taken by other content. */
  | "name-taken"
  /** The newest backup is older than was allowed. */
  | "stale"
  /** A backup was or could be restored in a rehearsal, and is not what was expected. */
  | "rehearsal-failed"
  /** Part of what was to be backed up could not be read, and nothing less than all was asked for. */
  | "incomplete"
  /** The target of a restore exists and holds something. */
  | "target-exists"
  /** The caller asked for the work to stop. */
  | "aborted"
  /** The local machine failed: disk full, permission denied, and their like. */
  | "io";

/**
 * The one error type users meet. `message` is a sentence for a person and never holds a secret;
 * `hint` says what to do next.
 */
export class RestbackupError extends Error {
  override readonly name = "RestbackupError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** The `code` of a system error such as `ENOENT`, or undefined when it has none. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? code : undefined;
}

/** A failed system call as a sentence: what was being done, to what, and why it failed. */
export function ioError(doing: string, error: unknown, hint?: string): RestbackupError {
  if (error instanceof RestbackupError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RestbackupError("io", `${doing}: ${reason}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
