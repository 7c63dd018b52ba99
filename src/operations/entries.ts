import { RestbackupError } from "../errors.ts";
import { parseLegacyBase, parseLegacyName, parseName, printable } from "../naming.ts";
import type { Store, StoredEntry } from "../stores/store.ts";
import { type LegacyChain, LegacyListing } from "./legacy-chain.ts";

/** One backup in a store: an archive in one piece, or a set of volumes. */
export interface ArchiveEntry {
  /** The entry's name, without volume suffix. */
  readonly entry: string;
  readonly name: string;
  /** Unix seconds by the store's clock, of the object that completed it. */
  readonly createtime: number;
  readonly deletetime?: number;
  /** Bytes stored. */
  readonly size: number;
  /** Object names in order; one, or the volumes. */
  readonly objects: readonly { readonly name: string; readonly size: number }[];
  /** False for a set that was interrupted or is still being written. Never restored. */
  readonly complete: boolean;
  /** Present for an archive of older tools, which only some operations can read. */
  readonly legacy?: LegacyChain;
}

/** How to look for backups. */
export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
  /** Archives of older tools too: those of `restoreLegacy` and its kin. */
  readonly legacy?: boolean | undefined;
}

/** Which backup is meant: an entry by name, or the latest of NAME, at or before a time. */
export interface EntrySelector {
  readonly entry?: string | undefined;
  /** May be left out when the store holds backups of one NAME only. */
  readonly name?: string | undefined;
  readonly at?: Date | undefined;
}

interface Found {
  readonly name: string;
  readonly volumes: (StoredEntry & { readonly volume: number; readonly last: boolean })[];
  whole?: StoredEntry;
}

/** All backups, oldest first by `createtime`; only those of NAME when it is given. */
export async function listEntries(
  store: Pick<Store, "list">,
  options: ListOptions & { readonly name?: string | undefined } = {},
): Promise<ArchiveEntry[]> {
  const found = new Map<string, Found>();
  const older = new LegacyListing();
  const { name, signal } = options;
  for await (const stored of store.list(signal === undefined ? {} : { signal })) {
    const parsed = parseName(stored.name);
    const legacy =
      parsed === undefined && options.legacy === true ? parseLegacyName(stored.name) : undefined;
    if (name !== undefined && (parsed ?? legacy)?.name !== name) continue;
    if (legacy !== undefined) older.add(stored, legacy);
    if (parsed === undefined) continue;
    let item = found.get(parsed.entry);
    if (item === undefined) {
      item = { name: parsed.name, volumes: [] };
      found.set(parsed.entry, item);
    }
    if (parsed.volume === undefined) item.whole = stored;
    else item.volumes.push({ ...stored, volume: parsed.volume, last: parsed.last });
  }
  const entries = [...found].map(([entry, item]) => assemble(entry, item));
  // The store's clock decides; where it cannot tell, the later name.
  return [...entries, ...older.entries()].sort(
    (a, b) => a.createtime - b.createtime || (ordinal(a.entry) < ordinal(b.entry) ? -1 : 1),
  );
}

/** A name as it sorts among names of one time: the tenth increment after the ninth. */
function ordinal(entry: string): string {
  return entry.replace(
    /-inc(\d+)\.tar\.gz$/,
    (_, level: string) => `-inc${level.padStart(9, "0")}`,
  );
}

function assemble(entry: string, { name, volumes, whole }: Found): ArchiveEntry {
  // An archive in one piece is complete, whatever stray volumes share its name.
  const objects =
    whole !== undefined
      ? [whole]
      : volumes.sort((a, b) => a.volume - b.volume || (a.name < b.name ? -1 : 1));
  const complete =
    whole !== undefined ||
    // Two for one place, such as .001 and .001.last, make no set that can be trusted either.
    volumes.every(
      ({ volume, last }, index) => volume === index && last === (index === volumes.length - 1),
    );
  const expiries = objects.flatMap(({ deletetime }) => deletetime ?? []);
  return {
    entry,
    name,
    createtime: objects.reduce((latest, { createtime }) => Math.max(latest, createtime), 0),
    // A set is gone with the first of its volumes.
    ...(expiries.length === 0 ? {} : { deletetime: expiries.reduce((a, b) => Math.min(a, b)) }),
    size: objects.reduce((sum, { size }) => sum + size, 0),
    objects: objects.map((object) => ({ name: object.name, size: object.size })),
    complete,
  };
}

/** The one backup meant. Throws `not-found`, or `usage` when NAME is needed to tell. */
export async function findEntry(
  store: Store,
  selector: EntrySelector,
  options: ListOptions = {},
): Promise<ArchiveEntry> {
  if (selector.entry !== undefined) return findNamed(store, selector.entry, options);
  const { name, at } = selector;
  const all = await listEntries(store, { name, ...options });
  const names = [...new Set(all.map((entry) => entry.name))];
  if (names.length > 1) {
    throw new RestbackupError("usage", "The store holds backups of several names.", {
      hint: `Say which with a name: ${names.slice(0, 10).map(printable).join(", ")}${names.length > 10 ? ", …" : ""}.`,
    });
  }
  const until = at === undefined ? Number.POSITIVE_INFINITY : at.getTime() / 1000;
  const latest = all.findLast(({ complete, createtime }) => complete && createtime <= until);
  if (latest !== undefined) return latest;
  const what = name === undefined ? "No backup" : `No backup named ${printable(name)}`;
  const when = at === undefined ? "" : ` from ${at.toISOString()} or before`;
  const interrupted = all.some(({ complete }) => !complete);
  throw new RestbackupError("not-found", `${what}${when} is in ${store.description}.`, {
    hint: interrupted
      ? "There are only sets of volumes that were interrupted, or are still being written."
      : all.length > 0
        ? `The oldest there is from ${new Date(all[0]!.createtime * 1000).toISOString()}.`
        : "List what is there with: restbackup list.",
  });
}

async function findNamed(store: Store, given: string, options: ListOptions): Promise<ArchiveEntry> {
  const parsed = parseName(given);
  if (parsed === undefined) {
    if (options.legacy === true && isLegacy(given)) return findLegacy(store, given, options);
    throw new RestbackupError("usage", `${printable(given)} is not the name of an entry.`, {
      hint: "Entries look like website-20261123T094012Z.tar.zst.age; list them with: restbackup list.",
    });
  }
  const all = await listEntries(store, { name: parsed.name, ...options });
  const entry = all.find((candidate) => candidate.entry === parsed.entry);
  if (entry === undefined) {
    throw new RestbackupError(
      "not-found",
      `${printable(parsed.entry)} is not in ${store.description}.`,
    );
  }
  if (!entry.complete) {
    throw new RestbackupError("not-found", `${printable(parsed.entry)} is not complete.`, {
      hint: "Some of its volumes are missing: its backup was interrupted or is still running, or some expired.",
    });
  }
  return entry;
}

/** Whether this names an archive of older tools, or a chain of them as a whole. */
export function isLegacy(given: string): boolean {
  return (parseLegacyName(given) ?? parseLegacyBase(given)) !== undefined;
}

/** An archive by its name, or the last of a chain that can be restored by the chain's name. */
async function findLegacy(
  store: Store,
  given: string,
  options: ListOptions,
): Promise<ArchiveEntry> {
  const exact = parseLegacyName(given);
  const name = (exact ?? parseLegacyBase(given)!).name;
  const all = await listEntries(store, { ...options, name });
  const base = parseLegacyBase(given)?.base;
  const candidates = all.filter(({ entry }) =>
    exact !== undefined ? entry === exact.entry : parseLegacyName(entry)?.base === base,
  );
  const deepest = candidates
    .filter(({ complete }) => complete)
    .sort((a, b) => a.legacy!.level - b.legacy!.level)
    .at(-1);
  if (deepest !== undefined) return deepest;
  const missing = candidates[0]?.legacy?.missing;
  if (missing === undefined) {
    throw new RestbackupError("not-found", `${printable(given)} is not in ${store.description}.`);
  }
  throw new RestbackupError(
    "not-found",
    `${printable(given)} cannot be restored: ${printable(missing)} is missing.`,
    {
      hint: "An increment only holds what changed since the archive before it. Those before the missing one can be restored; see: restbackup list.",
    },
  );
}
