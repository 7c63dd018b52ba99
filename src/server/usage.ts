import type { StoredEntry } from "../stores/store.ts";
import { sizeInWords } from "../words.ts";
import { Refusal } from "./refusal.ts";

/** A place for an upload, taken before its first byte is read. */
export interface Reservation {
  /** The upload ended; `stored` says whether there is an entry now. */
  release(stored: boolean): void;
}

interface Upload {
  readonly name: string;
  readonly size: number;
}

/**
 * How many bytes an account stores, kept in memory. It is counted from a listing, once and again
 * with each sweep; in between uploads are added as they end. Those under way count too, so that of
 * several at once not all can pass a quota that has room for one.
 */
export class Usage {
  #stored: number | undefined;
  readonly #uploads = new Set<Upload>();
  #uploading = 0;
  #count: Count | undefined;
  #counted: Promise<void> | undefined;

  /**
   * Takes `size` bytes for an upload. `list` gives what is stored; it is only asked when there is a
   * quota and nobody has counted yet. Throws a 413 when the quota has no room.
   */
  async reserve(
    upload: Upload,
    quotaBytes: number | undefined,
    list: () => AsyncIterable<StoredEntry>,
  ): Promise<Reservation> {
    if (quotaBytes !== undefined) {
      if (this.#stored === undefined) await this.#countOnce(list);
      const used = this.#stored! + this.#uploading;
      if (used + upload.size > quotaBytes) throw overQuota(quotaBytes, used, upload.size);
    }
    this.#uploads.add(upload);
    this.#count?.ownNames.add(upload.name);
    this.#uploading += upload.size;
    return {
      release: (stored) => {
        this.#uploads.delete(upload);
        this.#uploading -= upload.size;
        if (!stored) return;
        if (this.#stored !== undefined) this.#stored += upload.size;
        if (this.#count !== undefined) this.#count.bytes += upload.size;
      },
    };
  }

  /** Begins to count anew; entries that are stored meanwhile are added by their uploads. */
  startCount(): Count {
    const names = [...this.#uploads].map(({ name }) => name);
    const count = new Count(names, () => {
      // Of two counts at once the later one knows more.
      if (this.#count !== count) return;
      this.#stored = count.bytes;
      this.#count = undefined;
    });
    this.#count = count;
    return count;
  }

  async #countOnce(list: () => AsyncIterable<StoredEntry>): Promise<void> {
    this.#counted ??= (async () => {
      while (this.#stored === undefined) {
        const count = this.startCount();
        for await (const entry of list()) count.add(entry);
        count.finish();
      }
    })().finally(() => {
      this.#counted = undefined;
    });
    await this.#counted;
  }
}

/** A count under way. */
class Count {
  /** Uploads that were under way at some moment of the count: they add themselves when they end. */
  readonly ownNames: Set<string>;
  readonly finish: () => void;
  bytes = 0;

  constructor(names: readonly string[], finish: () => void) {
    this.ownNames = new Set(names);
    this.finish = finish;
  }

  add({ name, size }: StoredEntry): void {
    if (!this.ownNames.has(name)) this.bytes += size;
  }
}

function overQuota(quotaBytes: number, used: number, size: number): Refusal {
  return new Refusal(
    413,
    `The account may store ${sizeInWords(quotaBytes)} and has ${sizeInWords(used)}, uploads under ` +
      `way included: there is no room for ${sizeInWords(size)} more until older files expire.`,
  );
}
