import { parseLegacyName, parseName } from "../naming.ts";
import { type ArchiveEntry, listEntries } from "../operations/entries.ts";
import type { StoredEntry } from "../stores/store.ts";

/** How many backups, and how many files of theirs, one page shows at most (but one backup whole). */
const LIMITS = { backups: 1000, files: 2000 };

/** A place in the list of backups, newest first: right after this one. */
export interface Cursor {
  /** Unix seconds. */
  readonly createtime: number;
  /** The backup's entry, or the name of a file that is no archive of ours. */
  readonly entry: string;
}

/** One backup on a page: an archive in one piece, a set of volumes, or a file of another kind. */
export interface PageBackup extends Omit<ArchiveEntry, "name"> {
  /** NAME of what is named as we or the older tools do; undefined for any other file. */
  readonly name: string | undefined;
}

/** What one page shows. */
export interface PageContent {
  /** Newest first. */
  readonly backups: readonly PageBackup[];
  /** Where the next page begins; undefined when this one is the last. */
  readonly next: Cursor | undefined;
  /** Of the whole account. */
  readonly files: number;
  readonly bytes: number;
}

/**
 * The newest backups, or the newest after a cursor. Where there are volumes the listing is read once
 * more for those that belong together, so that only what the page shows is held, however much there is.
 */
export async function gatherPage(
  list: () => AsyncIterable<StoredEntry>,
  after: Cursor | undefined,
  limits: typeof LIMITS = LIMITS,
): Promise<PageContent> {
  const newest = new Newest(limits.backups);
  let files = 0;
  let bytes = 0;
  let volumes = false;
  for await (const file of list()) {
    files += 1;
    bytes += file.size;
    const entry = entryOf(file.name);
    if (entry !== file.name) volumes = true;
    const place = { createtime: file.createtime, entry, file };
    if (after === undefined || byAge(after, place) < 0) newest.add(place);
  }
  const { chosen, more } = newest.take();
  const found = await collect(volumes ? list() : chosen.map(({ file }) => file), chosen);
  // A set that began before the cursor's time may have ended after it: it was on an earlier page.
  const all = found.filter((backup) => after === undefined || byAge(after, backup) < 0);
  const backups = all.slice(0, countWithin(all, limits.files));
  const next = backups.length < all.length ? backups.at(-1) : more ? chosen.at(-1) : undefined;
  return { backups, next, files, bytes };
}

/** Newest first; of one second, the later name first. */
function byAge(a: Cursor, b: Cursor): number {
  if (a.createtime !== b.createtime) return b.createtime - a.createtime;
  return a.entry === b.entry ? 0 : a.entry > b.entry ? -1 : 1;
}

/** What a file belongs to: the archive whose volume it is, or itself. */
function entryOf(fileName: string): string {
  // Any other name is its own: most need not be taken apart.
  const mayBeVolume = fileName.includes(".tar.zst.age.");
  return (mayBeVolume ? parseName(fileName)?.entry : undefined) ?? fileName;
}

/** A backup's place by its newest file, of those seen so far. */
interface Place extends Cursor {
  readonly file: StoredEntry;
}

/** Keeps the newest places of those it sees, each backup once. */
class Newest {
  readonly #count: number;
  readonly #seen = new Map<string, Place>();
  /** The oldest of those kept, once there are enough. */
  #oldest: Cursor | undefined;
  #more = false;

  constructor(count: number) {
    this.#count = count;
  }

  add(place: Place): void {
    const known = this.#seen.get(place.entry);
    if (known !== undefined && known.createtime >= place.createtime) return;
    if (known === undefined && this.#oldest !== undefined && byAge(this.#oldest, place) < 0) {
      this.#more = true;
      return;
    }
    this.#seen.set(place.entry, place);
    if (this.#seen.size > 4 * this.#count) this.#prune();
  }

  take(): { readonly chosen: Place[]; readonly more: boolean } {
    this.#prune();
    return { chosen: [...this.#seen.values()], more: this.#more };
  }

  #prune(): void {
    const sorted = [...this.#seen.values()].sort(byAge);
    if (sorted.length > this.#count) this.#more = true;
    this.#seen.clear();
    for (const place of sorted.slice(0, this.#count)) this.#seen.set(place.entry, place);
    this.#oldest = sorted[this.#count - 1];
  }
}

/** The chosen backups with all of their files, newest first. */
async function collect(
  files: AsyncIterable<StoredEntry> | Iterable<StoredEntry>,
  places: readonly Place[],
): Promise<PageBackup[]> {
  const chosen = new Set(places.map(({ entry }) => entry));
  const others: PageBackup[] = [];
  const archives = new Map<string, StoredEntry>();
  const ours = async function* () {
    for await (const file of files) {
      if (!chosen.has(entryOf(file.name))) continue;
      if (parseName(file.name) === undefined) others.push(otherFile(file));
      else {
        archives.set(file.name, file);
        yield file;
      }
    }
  };
  const backups = await listEntries({ list: ours });
  for (const { name } of backups.flatMap(({ objects }) => objects)) archives.delete(name);
  // Volumes beside an archive in one piece belong to nothing, but are there.
  for (const stray of archives.values()) others.push(otherFile(stray));
  return [...backups, ...others].sort(byAge);
}

function otherFile({ name, size, createtime, deletetime }: StoredEntry): PageBackup {
  return {
    entry: name,
    name: parseLegacyName(name)?.name,
    createtime,
    ...(deletetime === undefined ? {} : { deletetime }),
    size,
    objects: [{ name, size }],
    complete: true,
  };
}

/** How many backups have no more files than `limit` together; at least one. */
function countWithin(backups: readonly PageBackup[], limit: number): number {
  let files = 0;
  const over = backups.findIndex(({ objects }) => {
    files += objects.length;
    return files > limit;
  });
  return over < 0 ? backups.length : Math.max(1, over);
}
