import { type ErrorCode, RestbackupError } from "../errors.ts";

const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  "target-exists": 2,
  "not-found": 3,
  "wrong-key": 4,
  damaged: 5,
  unauthentic: 5,
  "store-refused": 6,
  "store-unreachable": 6,
  "name-taken": 6,
  stale: 7,
  "rehearsal-failed": 8,
  incomplete: 9,
  aborted: 1,
  io: 1,
};

/** What the exit codes mean, for --help. */
export const EXIT_CODES_IN_WORDS = `Exit codes:
  0  done
  1  anything that is not listed here, such as a full disk
  2  usage: an option, a name, a key that is none, a target that is not empty
  3  nothing matches
  4  wrong key
  5  damaged, or unauthentic
  6  the store refused, or could not be reached
  7  older than --max-age
  8  restored in a rehearsal, but not what was expected
  9  part of a repository could not be read, and --strict was given
  128 and more: stopped by a signal (130 is Ctrl-C)`;

/** The exit code for what was thrown. */
export function exitCodeOf(error: unknown): number {
  return error instanceof RestbackupError ? EXIT_CODES[error.code] : 1;
}
