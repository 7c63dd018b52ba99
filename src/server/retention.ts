import { parseName } from "../naming.ts";
import type { StoredEntry } from "../stores/store.ts";
import type { Account } from "./accounts.ts";
import { deletetimeOf } from "./listing.ts";

/**
 * Tells from a listing which entries have expired. Each goes by its own createtime, but the volumes
 * of a complete set go together with the newest, so that a backup can be restored until it is gone.
 * What is kept in memory are the expired volumes, and a few bytes for each other volume.
 */
export class Expiry {
  readonly #isExpired: (entry: StoredEntry) => boolean;
  readonly #sets = new Map<string, VolumeSet>();

  /** `before` in Unix seconds: what was to be deleted before this moment has expired. */
  constructor(account: Pick<Account, "retentionDays">, before: number) {
    this.#isExpired = ({ createtime }) => deletetimeOf(createtime, account) < before;
  }

  /** Takes an entry of the listing. `later`: that depends on entries still to come. */
  judge(entry: StoredEntry): "expired" | "kept" | "later" {
    const parsed = parseName(entry.name);
    const expired = this.#isExpired(entry);
    if (parsed?.volume === undefined) return expired ? "expired" : "kept";
    let set = this.#sets.get(parsed.entry);
    if (set === undefined) {
      set = new VolumeSet();
      this.#sets.set(parsed.entry, set);
    }
    set.add(entry, parsed.volume, parsed.last, expired);
    return expired ? "later" : "kept";
  }

  /**
   * What became of the entries that were judged `later`, once there are no more. Of expired sets the
   * last volumes come first, apart from the rest: without it no set looks complete.
   */
  settle(): { lasts: StoredEntry[]; others: StoredEntry[]; kept: StoredEntry[] } {
    const settled = { lasts: [], others: [], kept: [] } as ReturnType<Expiry["settle"]>;
    for (const set of this.#sets.values()) {
      if (set.isComplete && set.hasFresh) {
        settled.kept.push(...set.expired);
        continue;
      }
      for (const entry of set.expired) {
        (set.lasts.has(entry) ? settled.lasts : settled.others).push(entry);
      }
    }
    return settled;
  }
}

class VolumeSet {
  readonly expired: StoredEntry[] = [];
  readonly lasts = new Set<StoredEntry>();
  hasFresh = false;
  readonly #volumes = new Set<number>();
  #files = 0;
  #highest = 0;
  #last: number | undefined;
  #countOfLast = 0;

  add(entry: StoredEntry, volume: number, last: boolean, expired: boolean): void {
    this.#files += 1;
    this.#volumes.add(volume);
    this.#highest = Math.max(volume, this.#highest);
    if (last) this.#last = volume;
    if (last) this.#countOfLast += 1;
    if (expired && last) this.lasts.add(entry);
    if (expired) this.expired.push(entry);
    else this.hasFresh = true;
  }

  /** All from 0 to the last, each once. */
  get isComplete(): boolean {
    return (
      this.#last !== undefined &&
      this.#countOfLast === 1 &&
      this.#files === this.#last + 1 &&
      this.#volumes.size === this.#files &&
      this.#highest === this.#last
    );
  }
}
