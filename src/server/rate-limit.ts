import { Refusal } from "./refusal.ts";

/** How many wrong passwords are taken, and how fast. Durations are in milliseconds. */
export interface LoginLimits {
  /** Wrong passwords in a row that cost nothing but themselves. */
  readonly burst: number;
  /** So long after it a wrong password is forgotten, one after the other. */
  readonly forgetAfter: number;
  /** The wait for the first wrong password beyond the burst; it doubles with each one more. */
  readonly firstWait: number;
  readonly longestWait: number;
  /** Addresses and accounts kept in mind, each; the ones that tried longest ago are forgotten. */
  readonly remembered: number;
}

export const DEFAULT_LOGIN_LIMITS: LoginLimits = {
  burst: 10,
  forgetAfter: 60_000,
  firstWait: 1000,
  longestWait: 15 * 60_000,
  remembered: 10_000,
};

/**
 * Slows guessing down, without letting whoever guesses keep others out:
 *
 * - An address that gave too many wrong passwords has to wait, longer with each one more. It learns
 *   nothing meanwhile: right passwords are refused as well.
 * - At an account for which too many were given, from however many addresses, an address has to
 *   wait after its first wrong one already. A rightful client is let in at its first attempt.
 * - An address from which an account's password was right is counted for that account by itself. So
 *   neither what others do to the account nor what others behind the same address do counts there.
 *
 * Everything is the same for usernames that do not exist. Kept in memory only, and bounded.
 */
export class LoginLimiter {
  readonly #limits: LoginLimits;
  readonly #now: () => number;
  readonly #addresses: Buckets;
  readonly #accounts: Buckets;
  /** Of accounts and addresses together, from which they are used. */
  readonly #known: Buckets;

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(limits: LoginLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#addresses = new Buckets(limits.remembered);
    this.#accounts = new Buckets(limits.remembered);
    this.#known = new Buckets(limits.remembered);
  }

  /**
   * Runs a check of credentials, which gives undefined when they are wrong, and calls `guess` when it
   * has to compute a password. Throws a refusal: 429 after too many wrong passwords, with
   * `Retry-After`; 503 when too many are being checked.
   */
  async attempt<T>(
    address: string,
    username: string,
    check: (guess: () => void) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const client = { address, account: username.length > MOST_USERNAME ? "" : username };
    this.#admit(client);
    let guessing: Bucket | undefined;
    const guess = () => {
      // Others may have begun since; from here on nothing comes between.
      guessing = this.#admit(client);
      guessing.underWay += 1;
    };
    try {
      const result = await check(guess);
      if (result !== undefined) this.#known.make(pairOf(client));
      // Equal credentials that are sent at once are one guess.
      else if (guessing !== undefined) this.#fail(client);
      return result;
    } finally {
      if (guessing !== undefined) guessing.underWay -= 1;
    }
  }

  /** The bucket that counts what the client does. */
  #admit(client: Client): Bucket {
    const known = this.#known.get(pairOf(client));
    const bucket = known ?? this.#addresses.make(client.address);
    bucket.admit(known === undefined ? this.#limitsAt(client.account) : this.#limits, this.#now());
    return bucket;
  }

  #fail(client: Client): void {
    const now = this.#now();
    const known = this.#known.get(pairOf(client));
    if (known === undefined) {
      const limits = this.#limitsAt(client.account);
      this.#addresses.make(client.address).fail(limits, now);
      this.#accounts.make(client.account).fail(this.#limits, now);
    } else {
      known.fail(this.#limits, now);
    }
  }

  /** What addresses may do that have not been right about an account. */
  #limitsAt(account: string): LoginLimits {
    const attacked = this.#accounts.get(account)?.isFull(this.#limits, this.#now()) === true;
    return attacked ? { ...this.#limits, burst: 1 } : this.#limits;
  }
}

/** No account has a longer username. */
const MOST_USERNAME = 64;

interface Client {
  readonly address: string;
  /** The username that is tried. */
  readonly account: string;
}

function pairOf({ address, account }: Client): string {
  return `${address} ${account}`;
}

/** A token bucket, counted by what was taken out of it. */
class Bucket {
  /** Passwords that are being checked, and may be wrong. */
  underWay = 0;
  #failures = 0;
  #countedAt = 0;
  #waitUntil = 0;

  /** Throws a refusal when it is not the time for another attempt. */
  admit(limits: LoginLimits, now: number): void {
    const wait = this.#waitUntil - now;
    if (wait > 0) throw tooMany(wait);
    const failures = this.#forget(limits, now);
    // What is being checked may be wrong. Beyond the burst it is one at a time, when the wait is over.
    if (this.underWay < Math.max(1, limits.burst - failures)) return;
    throw failures === 0 ? atOnce() : tooMany(limits.firstWait);
  }

  isFull(limits: LoginLimits, now: number): boolean {
    return this.#forget(limits, now) >= limits.burst;
  }

  fail(limits: LoginLimits, now: number): void {
    this.#failures = this.#forget(limits, now) + 1;
    const beyond = this.#failures - limits.burst;
    if (beyond < 0) return;
    this.#waitUntil = now + Math.min(limits.firstWait * 2 ** beyond, limits.longestWait);
  }

  #forget({ forgetAfter }: LoginLimits, now: number): number {
    const forgotten = Math.floor((now - this.#countedAt) / forgetAfter);
    this.#failures = Math.max(0, this.#failures - forgotten);
    this.#countedAt = this.#failures === 0 ? now : this.#countedAt + forgotten * forgetAfter;
    return this.#failures;
  }
}

/** Buckets by name; of too many the one that was used longest ago goes. */
class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(name: string): Bucket | undefined {
    const bucket = this.#buckets.get(name);
    if (bucket !== undefined) this.set(name, bucket);
    return bucket;
  }

  make(name: string): Bucket {
    const bucket = this.get(name) ?? new Bucket();
    this.set(name, bucket);
    return bucket;
  }

  set(name: string, bucket: Bucket): void {
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.#most) this.#buckets.delete(this.#buckets.keys().next().value!);
  }
}

function tooMany(wait: number): Refusal {
  return new Refusal(429, "Too many wrong passwords. Wait before trying again.", {
    "Retry-After": String(Math.ceil(wait / 1000)),
  });
}

/** Old clients try again after a 5xx only. */
function atOnce(): Refusal {
  return new Refusal(503, "Too many log in at once.", { "Retry-After": "1" });
}
