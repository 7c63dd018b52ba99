import { RestbackupError } from "../errors.ts";
import { parseName, printable } from "../naming.ts";
import type { Store } from "../stores/store.ts";
import { type ArchiveEntry, type EntrySelector, findEntry, listEntries } from "./entries.ts";

/**
 * The backup meant and those of its NAME before it, newest first. Unlike `findEntry` it does not
 * pass over a set of volumes that lacks some: whoever can delete a volume must not be able to make
 * an older backup pass for the newest. Throws `not-found`, or `usage` when NAME is needed to tell.
 */
export async function newestFirst(
  store: Store,
  selector: EntrySelector,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<[ArchiveEntry, ...ArchiveEntry[]]> {
  const { entry, at } = selector;
  const name = entry === undefined ? selector.name : parseName(entry)?.name;
  const all = await listEntries(store, { name, ...options });
  const until = at === undefined ? Number.POSITIVE_INFINITY : at.getTime() / 1000;
  const last = all.findLastIndex((one) =>
    entry === undefined ? one.createtime <= until : one.entry === parseName(entry)?.entry,
  );
  const [meant, ...older] = all.slice(0, last + 1).reverse();
  const oneName = all.every((one) => one.name === all[0]?.name);
  if (meant !== undefined && oneName) return [meant, ...older];
  // Says best what is wrong with the selector.
  return [await findEntry(store, selector, options)];
}

/** Throws `damaged` for a set of volumes that cannot be restored, saying what it lacks. */
export function requireComplete(archive: ArchiveEntry, which: string): void {
  if (archive.complete) return;
  const volumes = archive.objects.map(({ name }) => parseName(name)!);
  const there = new Set(volumes.map(({ volume }) => volume));
  const highest = Math.max(...volumes.map(({ volume }) => volume ?? 0));
  const missing = Array.from({ length: highest }, (_, volume) => volume).filter(
    (volume) => !there.has(volume),
  );
  const [first] = missing;
  const what =
    first === undefined
      ? "its end is missing"
      : `volume ${String(first).padStart(3, "0")}${missing.length > 1 ? ` and ${missing.length - 1} more are` : " is"} missing`;
  throw new RestbackupError(
    "damaged",
    `${which}, ${printable(archive.entry)}, is not complete: ${what}.`,
    {
      hint: volumes.some(({ last }) => last)
        ? "It was complete once, for its last volume is stored last: someone or something deleted the rest."
        : "Its backup was interrupted or is still running, or its last volume was deleted.",
    },
  );
}

/**
 * What is wrong with the newest backup where an older one is taken for it, because volumes of it are
 * missing; undefined where it is complete, or one certain entry is meant.
 */
export async function incompleteNewest(
  store: Store,
  selector: EntrySelector,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<RestbackupError | undefined> {
  if (selector.entry !== undefined) return undefined;
  const [newest] = await newestFirst(store, selector, options);
  try {
    requireComplete(newest, "A newer backup");
    return undefined;
  } catch (error) {
    return error as RestbackupError;
  }
}
