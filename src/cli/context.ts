import type { Output } from "./output.ts";

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly store?: string;
  readonly accessUrlFile?: string;
  readonly keyFile?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** How often a request to a server is sent again. */
  readonly retries?: string;
  /** False with --no-progress. */
  readonly progress: boolean;
}

/** What a command works with besides its own arguments. */
export interface Context {
  readonly options: GlobalOptions;
  readonly env: Environment;
  readonly cwd: string;
  readonly output: Output;
  /** Aborted by Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Has SIGHUP call this from now on, instead of aborting. */
  readonly onHangup: (listener: () => void) => void;
}

/** Begins a command's work. `ifStopped` says what a signal leaves behind. */
export type Start = (ifStopped?: string) => Context;
