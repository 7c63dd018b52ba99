import { RestbackupError } from "../errors.ts";
import type { ContentsEntry } from "./contents.ts";

/**
 * The order of a contents list (docs/format.md, "Contents list"): depth first, a folder before what
 * it holds, the names of a folder by UTF-16 code units. So no name comes twice, nothing lies below
 * what is no folder, and a hard link's content can only stand before it.
 *
 * Needs memory for the folders above an entry only.
 */
export class EntryOrder {
  readonly #parents: { readonly path: string; last: string }[] = [{ path: "", last: "" }];
  #begun = false;

  /** Takes the next entry. Throws `damaged` when it cannot stand there. */
  check(entry: ContentsEntry): void {
    const first = !this.#begun;
    this.#begun = true;
    if (entry.path === ".") {
      if (!first) throw disorder();
      return;
    }
    const slash = entry.path.lastIndexOf("/");
    const parent = slash < 0 ? "" : entry.path.slice(0, slash);
    const name = entry.path.slice(slash + 1);
    while (this.#parents.length > 0 && this.#parents.at(-1)!.path !== parent) this.#parents.pop();
    const folder = this.#parents.at(-1);
    if (folder === undefined || name <= folder.last) throw disorder();
    folder.last = name;
    if (entry.type === "directory") this.#parents.push({ path: entry.path, last: "" });
    if (entry.type === "hardlink" && comparePaths(entry.target!, entry.path) >= 0) throw disorder();
  }
}

/** Compares two paths by the order of a contents list: negative when the first comes first. */
export function comparePaths(path: string, other: string): number {
  if (path === other) return 0;
  if (path === ".") return -1;
  if (other === ".") return 1;
  const parts = path.split("/");
  const others = other.split("/");
  const differ = parts.findIndex((part, index) => part !== others[index]);
  if (differ < 0) return -1;
  if (differ >= others.length) return 1;
  return parts[differ]! < others[differ]! ? -1 : 1;
}

function disorder(): RestbackupError {
  return new RestbackupError(
    "damaged",
    "The archive's contents list is not in order, or names something twice.",
  );
}
