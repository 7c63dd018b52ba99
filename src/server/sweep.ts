import { setTimeout as sleep } from "node:timers/promises";
import type { DirectoryStore } from "../stores/directory.ts";
import type { StoredEntry } from "../stores/store.ts";
import type { Account, Accounts } from "./accounts.ts";
import { deletetimeOf } from "./listing.ts";
import { Expiry } from "./retention.ts";
import type { ClockReading, TrustedClock } from "./trusted-clock.ts";

/** What a sweep did, for log and metrics. */
export interface SweepReport {
  readonly seconds: number;
  /** Absent when the sweep failed before it could look at the clock. */
  readonly clock?: ClockReading;
  readonly accounts: readonly SweptAccount[];
  /** Why an account, or the whole sweep, could not be worked through. */
  readonly failures: readonly { readonly username?: string; readonly message: string }[];
}

export interface SweptAccount {
  readonly username: string;
  readonly deleted: Amount;
  /** Of `kept`: expired by the clock, which is not believed yet. */
  readonly heldBack: Amount;
  readonly kept: Amount;
}

export interface Amount {
  files: number;
  bytes: number;
}

export interface SweeperOptions {
  readonly report: (report: SweepReport) => void;
  /** In milliseconds; each is varied by a tenth, so that many servers do not sweep as one. */
  readonly firstAfter?: number;
  readonly interval?: number;
}

const MINUTE = 60_000;
const BATCH = 256;

/**
 * Deletes what has expired, now and then. The only part of this software that deletes a stored
 * file: see `docs/decisions/0012-retention-sweep.md` for what keeps it from deleting too much.
 */
export class Sweeper {
  readonly #accounts: Accounts;
  readonly #clock: TrustedClock;
  readonly #options: SweeperOptions;
  readonly #stop = new AbortController();
  /** Accounts whose stores were tidied since the start. */
  readonly #tidied = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(accounts: Accounts, clock: TrustedClock, options: SweeperOptions) {
    this.#accounts = accounts;
    this.#clock = clock;
    this.#options = options;
  }

  /** Looks at the clock, then sweeps now and then until {@link stop}. */
  async start(): Promise<void> {
    await this.#observe();
    this.#running = this.#sweepNowAndThen();
  }

  /** Ends soon, also in the middle of a sweep, with the latest time written down. */
  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#running === undefined) return;
    await this.#running;
    await this.#observe();
  }

  async #sweepNowAndThen(): Promise<void> {
    const { firstAfter = MINUTE, interval = 60 * MINUTE, report } = this.#options;
    const { signal } = this.#stop;
    let pause = firstAfter;
    for (;;) {
      const varied = pause * (0.9 + Math.random() * 0.2);
      // Unref'd: a sweep to come is no reason for a process to live on.
      await sleep(varied, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      await this.sweep().then(report, (error: unknown) => {
        report({ seconds: 0, accounts: [], failures: [{ message: messageOf(error) }] });
      });
      pause = interval;
    }
  }

  /** Sweeps all accounts once. What failed for one of them is in the report. */
  async sweep(): Promise<SweepReport> {
    const begun = performance.now();
    const accounts: SweptAccount[] = [];
    const failures: { username?: string; message: string }[] = [];
    const clock = await this.#observe();
    for (const username of await this.#accounts.usernames()) {
      if (this.#stop.signal.aborted) break;
      try {
        const account = await this.#accounts.findAny(username);
        if (account !== undefined) accounts.push(await this.#sweepAccount(account, clock));
      } catch (error) {
        if (!this.#stop.signal.aborted) failures.push({ username, message: messageOf(error) });
      }
    }
    return { seconds: (performance.now() - begun) / 1000, clock, accounts, failures };
  }

  async #sweepAccount(account: Account, clock: ClockReading): Promise<SweptAccount> {
    const { username } = account;
    const { signal } = this.#stop;
    const store = await this.#accounts.storeOf(account);
    const count = this.#accounts.usageOf(account).startCount();
    const expiry = new Expiry(account, clock.horizon);
    const swept = { username, deleted: nothing(), heldBack: nothing(), kept: nothing() };
    const keep = (entry: StoredEntry) => {
      count.add(entry);
      add(swept.kept, entry);
      const deletetime = deletetimeOf(entry.createtime, account);
      if (clock.horizon <= deletetime && deletetime < clock.wall) add(swept.heldBack, entry);
    };
    const remove = async (entries: readonly StoredEntry[]) => {
      signal.throwIfAborted();
      const removed = new Set(await store.removeExpired(entries));
      for (const entry of entries) {
        if (removed.has(entry)) add(swept.deleted, entry);
        else keep(entry);
      }
    };
    let batch: StoredEntry[] = [];
    for await (const entry of store.list({ signal })) {
      const verdict = expiry.judge(entry);
      if (verdict === "kept") keep(entry);
      if (verdict === "expired") batch.push(entry);
      if (batch.length < BATCH) continue;
      await remove(batch);
      batch = [];
    }
    const { lasts, others, kept } = expiry.settle();
    kept.forEach(keep);
    for (const part of [batch, lasts, others]) {
      for (const some of inBatches(part)) await remove(some);
    }
    count.finish();
    await this.#tidy(username, store, swept.deleted.files > 0);
    return swept;
  }

  /** After deletions, and once after each start, for what a crash left. */
  async #tidy(username: string, store: DirectoryStore, deleted: boolean): Promise<void> {
    if (!deleted && this.#tidied.has(username)) return;
    await store.tidy({ signal: this.#stop.signal });
    this.#tidied.add(username);
  }

  async #observe(): Promise<ClockReading> {
    return await this.#clock.observe(() => newestTime(this.#accounts));
  }
}

/** When the newest file was stored, or the newest account made: Unix seconds. */
async function newestTime(accounts: Accounts): Promise<number | undefined> {
  let newest: number | undefined;
  for (const username of await accounts.usernames()) {
    const account = await accounts.findAny(username).catch(() => undefined);
    if (account === undefined) continue;
    newest = Math.max(account.created, newest ?? account.created);
    for await (const { createtime } of (await accounts.storeOf(account)).list()) {
      newest = Math.max(createtime, newest);
    }
  }
  return newest;
}

function* inBatches(entries: readonly StoredEntry[]): Generator<readonly StoredEntry[]> {
  for (let at = 0; at < entries.length; at += BATCH) yield entries.slice(at, at + BATCH);
}

function nothing(): Amount {
  return { files: 0, bytes: 0 };
}

function add(amount: Amount, { size }: StoredEntry): void {
  amount.files += 1;
  amount.bytes += size;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
