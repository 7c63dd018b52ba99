import fs from "node:fs";
import { isEscaped, pathFromBytes, pathToBytes, systemPath } from "./path-bytes.ts";
import { type RuleState, type Selection, Selector } from "./selection.ts";

/** Something found in the tree; what it is when looked at again may differ. */
export interface Found {
  /** Path below the root; `.` for the root itself. */
  readonly path: string;
  /** Where it is, as `node:fs` takes it. */
  readonly location: string | Buffer;
  readonly kind: "file" | "directory" | "symlink" | "other" | "store";
  /** Set by whoever walks: it is no folder any more, so there is nothing below it. */
  lost?: boolean;
}

/** Told of a folder that cannot be listed; throws to stop the walk. */
export type OnUnreadable = (path: string, error: unknown) => void;

/** A folder being walked. */
interface Level {
  readonly folder: string;
  /** What paths in it begin with. */
  readonly prefix: string;
  readonly state: RuleState;
  /** Whether some name on the way here, or in it, is not UTF-8. */
  readonly escaped: boolean;
  readonly names: readonly Named[];
  next: number;
  /** The folders above, this one included, that are not taken themselves and hold nothing taken yet. */
  readonly pending: Found[];
  /** This folder, where it was put there. */
  readonly own: Found | undefined;
}

/**
 * Everything selected below the root, in the archive's order: a folder before what it holds, the
 * names of a folder by UTF-16 code units. A folder that is not itself taken appears once something
 * in it is. Symbolic links are not followed.
 */
export function* walk(selection: Selection, onUnreadable: OnUnreadable): Generator<Found> {
  const selector = new Selector(selection);
  const skip = new Set(selection.skip);
  const enter = (place: Omit<Level, "names" | "next">): Level => {
    let read: { names: Named[]; escaped: boolean } = { names: [], escaped: false };
    try {
      read = readFolder(place.folder);
    } catch (error) {
      onUnreadable(place.prefix.slice(0, -1) || ".", error);
    }
    return { ...place, names: read.names, escaped: place.escaped || read.escaped, next: 0 };
  };

  const { taken, state } = selector.root();
  const root: Found = { path: ".", location: selection.root, kind: "directory" };
  if (taken) yield root;
  if (root.lost === true || !selector.descends(".", state)) return;
  // One generator with a stack: each of nested ones would hand on every single item.
  const top = {
    folder: selection.root,
    prefix: "",
    escaped: isEscaped(selection.root),
    state,
    pending: [],
    own: undefined,
  };
  const levels: Level[] = [enter(top)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const named = level.names[level.next];
    if (named === undefined) {
      // Taken off again, as nothing below it was taken.
      if (level.own !== undefined && level.pending.at(-1) === level.own) level.pending.pop();
      levels.pop();
      continue;
    }
    level.next += 1;
    const { name, kind } = named;
    const path = level.prefix + name;
    const { taken, state } = selector.child(path, level.state);
    const absolute = level.folder.endsWith("/") ? level.folder + name : `${level.folder}/${name}`;
    // Looking at every single path again would take longer than all else here.
    const location = level.escaped ? systemPath(absolute) : absolute;
    const found: Found = { path, location, kind };
    if (kind !== "directory") {
      if (!taken) continue;
      if (level.pending.length > 0) yield* level.pending.splice(0);
      yield found;
      continue;
    }
    if (skip.size > 0 && skip.has(nativePath(absolute))) {
      if (taken) yield { ...found, kind: "store" };
      continue;
    }
    if (!selector.descends(path, state)) continue;
    const place = { folder: absolute, prefix: `${path}/`, escaped: level.escaped, state };
    if (taken) {
      if (level.pending.length > 0) yield* level.pending.splice(0);
      yield found;
      if (found.lost !== true) levels.push(enter({ ...place, pending: [], own: undefined }));
    } else {
      level.pending.push(found);
      levels.push(enter({ ...place, pending: level.pending, own: found }));
    }
  }
}

function nativePath(path: string): string {
  return process.platform === "win32" ? path.replaceAll("/", "\\") : path;
}

interface Named {
  readonly name: string;
  readonly kind: Found["kind"];
}

/** What is in a folder, sorted, and whether some name stands for bytes that are not UTF-8. */
function readFolder(folder: string): { names: Named[]; escaped: boolean } {
  const location = systemPath(folder);
  let names = fs
    .readdirSync(location, { withFileTypes: true })
    .map((dirent): Named => ({ name: dirent.name, kind: kindOf(dirent) }));
  const odd = process.platform !== "win32" && names.some(({ name }) => name.includes("\ufffd"));
  if (odd) {
    // Some name is not UTF-8, or truly holds U+FFFD: look at the bytes.
    names = fs
      .readdirSync(location, { withFileTypes: true, encoding: "buffer" })
      .map((dirent): Named => ({ name: pathFromBytes(dirent.name), kind: kindOf(dirent) }));
  }
  for (const [index, { name, kind }] of names.entries()) {
    // File systems that do not say what an entry is.
    if (kind !== "other") continue;
    const stat = fs.lstatSync(
      Buffer.concat([pathToBytes(folder), Buffer.from("/"), pathToBytes(name)]),
      {
        throwIfNoEntry: false,
      },
    );
    if (stat !== undefined) names[index] = { name, kind: kindOf(stat) };
  }
  names.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Windows' names are UTF-16 and may hold lone surrogates, too.
  return { names, escaped: odd || process.platform === "win32" };
}

function kindOf(entry: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}): Found["kind"] {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "other";
}
