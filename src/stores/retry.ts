import { setTimeout as sleep } from "node:timers/promises";
import { RestbackupError } from "../errors.ts";

/** How often, and how patiently, a request is sent again. */
export interface RetryPolicy {
  /** Tries after the first one. `backup-api.md`, part 2: 5. */
  readonly retries: number;
  /** Greatest delay before the first retry in milliseconds; it doubles with each. */
  readonly firstDelay: number;
  /** Told before each wait: what failed, and how long until the next try in milliseconds. */
  readonly onRetry?: (failure: RestbackupError, wait: number) => void;
}

export const DEFAULT_RETRY: RetryPolicy = { retries: 5, firstDelay: 1000 };

/** Longest wait a server can ask for with `Retry-After`, in milliseconds. */
const LONGEST_WAIT = 5 * 60 * 1000;

/** A failure that may pass; `failure` is what to throw when patience is at its end. */
export class PassingFailure extends Error {
  readonly failure: RestbackupError;
  /** Milliseconds the server asked to be left alone. */
  readonly retryAfter: number;

  constructor(failure: RestbackupError, retryAfter = 0) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.retryAfter = retryAfter;
  }
}

/**
 * Counts failures and waits between tries: exponential backoff with full jitter, and at least as
 * long as the server asked.
 */
export class Patience {
  readonly #policy: RetryPolicy;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;

  constructor(policy: RetryPolicy, signal: AbortSignal | undefined) {
    this.#policy = policy;
    this.#signal = signal;
  }

  /** Something was achieved: the next failure counts as the first. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits before the next try; throws `error` when it is final, or the last try has failed. */
  async afterFailure(error: unknown): Promise<void> {
    if (!(error instanceof PassingFailure)) throw error;
    if (this.#failures >= this.#policy.retries) throw error.failure;
    const backoff = Math.random() * this.#policy.firstDelay * 2 ** this.#failures;
    this.#failures += 1;
    const wait = Math.min(error.retryAfter, LONGEST_WAIT) + backoff;
    this.#policy.onRetry?.(error.failure, wait);
    await sleep(wait, undefined, this.#signal === undefined ? {} : { signal: this.#signal }).catch(
      (cause: unknown) => {
        throw new RestbackupError("aborted", "Stopped.", { cause });
      },
    );
  }
}

/** Runs `attempt` until it gives a result or fails for good. */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const patience = new Patience(policy, signal);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await patience.afterFailure(error);
    }
  }
}

/** `Retry-After` in milliseconds from now: seconds or a date (RFC 9110, 10.2.3). */
export function parseRetryAfter(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
