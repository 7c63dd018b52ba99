import { diffEntries } from "./diff.ts";
import { type ArchiveEntry, listEntries } from "./entries.ts";
import type { ReadOptions } from "./restore.ts";

/** What a backup changed against the one before it. */
export interface Changes {
  /** The complete backup of the same NAME before this one. */
  readonly since: ArchiveEntry;
  /** Bytes stored more than then; negative for less. */
  readonly storedMore: number;
  /** Entries of the contents lists, but for those of which only the time is another; absent where they cannot be read. */
  readonly counts?: Readonly<Record<"added" | "changed" | "removed", number>>;
}

export interface ChangesOptions extends Omit<ReadOptions, "key" | "entry" | "name" | "at"> {
  readonly name: string;
  readonly entry: string;
  /** Reads contents lists; without it the listing alone has to tell. */
  readonly key?: ReadOptions["key"] | undefined;
}

/**
 * Compares a backup with the complete one of its NAME before it, by contents lists alone, or by the
 * sizes in the listing where those cannot be read. Undefined for the first of its NAME. Throws what
 * listing throws.
 */
export async function changesSinceLast(options: ChangesOptions): Promise<Changes | undefined> {
  const { store, name, entry, key, signal } = options;
  const all = (await listEntries(store, { name, signal })).filter(({ complete }) => complete);
  const place = all.findIndex((one) => one.entry === entry);
  const [given, since] = [all[place], all[place - 1]];
  if (given === undefined || since === undefined) return undefined;
  const sizes = { since, storedMore: given.size - since.size };
  if (key === undefined) return sizes;
  try {
    const counts = { added: 0, changed: 0, removed: 0 };
    const reading = { ...options, key };
    const { differences } = await diffEntries({ ...reading, entry: since.entry }, reading);
    for await (const { change, aspects } of differences) {
      if (change !== "changed" || aspects.some((aspect) => aspect !== "time")) counts[change]++;
    }
    return { ...sizes, counts };
  } catch {
    // Of another key, unauthentic, damaged or out of reach: its size says something still.
    return sizes;
  }
}
