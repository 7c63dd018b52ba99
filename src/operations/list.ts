import type { Store } from "../stores/store.ts";
import { stoppable } from "./aborted.ts";
import { type ArchiveEntry, type ListOptions, listEntries } from "./entries.ts";

/** Which backups to list. */
export interface ListBackupsOptions extends ListOptions {
  readonly store: Store;
  /** Only backups of this NAME. */
  readonly name?: string | undefined;
}

/**
 * All backups in a store, oldest first by the store's clock; with `legacy` those of older tools
 * among them. Sets of volumes that were interrupted are listed too, with `complete: false`.
 *
 * @throws {@link RestbackupError} `store-unreachable`, `store-refused`, `aborted`.
 *
 * @example
 * ```ts
 * import { list, openStore } from "restbackup";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * for (const { entry, size } of await list({ store, legacy: true })) console.log(entry, size);
 * await store.close();
 * ```
 */
export function list(options: ListBackupsOptions): Promise<ArchiveEntry[]> {
  const { store, ...which } = options;
  return stoppable(options.signal, () => listEntries(store, which));
}
