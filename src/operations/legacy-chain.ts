import { legacyName, type ParsedLegacyName } from "../naming.ts";
import type { StoredEntry } from "../stores/store.ts";
import type { ArchiveEntry } from "./entries.ts";

/** How an archive of older tools stands among the others of its chain. */
export interface LegacyChain {
  /** How many archives must be restored before it: 0 for a full and for a dated archive. */
  readonly level: number;
  /** The chain as far as it can be restored, full archive first; shared by all its archives. */
  readonly chain: readonly { readonly name: string; readonly size: number }[];
  /**
   * The archive before which the chain ends although later ones are stored; given for the last one
   * before the gap, and for those behind it, which cannot be restored.
   */
  readonly missing?: string;
}

type Stored = StoredEntry & { readonly parsed: ParsedLegacyName };

/** Archives of older tools, found in a listing, as backups: each is a point one can go back to. */
export class LegacyListing {
  readonly #chains = new Map<string, Stored[]>();
  readonly #dated: Stored[] = [];

  add(stored: StoredEntry, parsed: ParsedLegacyName): void {
    const { base } = parsed;
    const item = { ...stored, parsed };
    const chain = base === undefined ? this.#dated : this.#chains.get(base);
    if (chain === undefined) this.#chains.set(base!, [item]);
    else chain.push(item);
  }

  entries(): ArchiveEntry[] {
    return [
      ...this.#dated.flatMap((stored) => pointsOf([stored])),
      ...[...this.#chains.values()].flatMap(pointsOf),
    ];
  }
}

/** @param archives all of one chain, in any order; or one dated archive. */
function pointsOf(archives: Stored[]): ArchiveEntry[] {
  archives.sort((a, b) => a.parsed.level - b.parsed.level);
  const gap = archives.findIndex(({ parsed }, index) => parsed.level !== index);
  const reach = gap < 0 ? archives.length : gap;
  const missing = gap < 0 ? undefined : legacyName(archives[0]!.parsed.base!, gap);
  const chain = archives.slice(0, reach).map(({ name, size }) => ({ name, size }));
  // An increment is of no use after an archive below it is gone.
  let deletetime = Number.POSITIVE_INFINITY;
  return archives.map((stored, at): ArchiveEntry => {
    deletetime = Math.min(deletetime, stored.deletetime ?? Number.POSITIVE_INFINITY);
    const { parsed, name, size, createtime } = stored;
    return {
      entry: parsed.entry,
      name: parsed.name,
      createtime,
      ...(Number.isFinite(deletetime) ? { deletetime } : {}),
      size,
      objects: [{ name, size }],
      complete: at < reach,
      legacy: {
        level: parsed.level,
        chain,
        ...(missing === undefined || at < reach - 1 ? {} : { missing }),
      },
    };
  });
}
