import { RestbackupError } from "../../errors.ts";
import { pathFromBytes } from "../path-bytes.ts";

/**
 * What a directory held when an incremental archive was made (GNU tar manual, "Dumpdir"): NUL
 * terminated records, each with a letter first, and an empty one at the end.
 */
export interface Dumpdir {
  /** Names in the directory: in this archive ("Y"), not in it ("N"), or a directory ("D"). */
  readonly names: ReadonlyMap<string, "Y" | "N" | "D">;
  /** Directories that were renamed since the archive before, in order. */
  readonly renames: readonly Rename[];
}

/** Paths as the archive gives them; `undefined` is the one temporary place, for names that swap. */
export interface Rename {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Reads a dumpdir. Throws `damaged`. */
export function parseDumpdir(content: Buffer): Dumpdir {
  const names = new Map<string, "Y" | "N" | "D">();
  const renames: Rename[] = [];
  let from: { readonly path: string } | undefined;
  let temporary: "none" | "made" | "used" = "none";
  for (const { code, text } of records(content)) {
    if ((from === undefined) === (code === "T")) throw bad();
    switch (code) {
      case "Y":
      case "N":
      case "D":
        names.set(text, code);
        break;
      case "X":
        // The folder in which a temporary name may be made; we have a place of our own.
        if (temporary !== "none") throw bad();
        temporary = "made";
        break;
      case "R":
        from = { path: text };
        if (text !== "") break;
        if (temporary !== "used") throw bad();
        temporary = "none";
        break;
      case "T":
        if (text === "") {
          if (temporary !== "made") throw bad();
          temporary = "used";
        }
        renames.push({ from: from!.path || undefined, to: text || undefined });
        from = undefined;
        break;
      default:
        throw bad();
    }
  }
  if (from !== undefined || temporary === "used") throw bad();
  return { names, renames };
}

function* records(content: Buffer): Generator<{ code: string; text: string }> {
  for (let at = 0; at < content.length; ) {
    const end = content.indexOf(0, at);
    // An empty record ends the list.
    if (end === at) return;
    if (end < 0) throw bad();
    yield {
      code: String.fromCharCode(content[at]!),
      text: pathFromBytes(content.subarray(at + 1, end)),
    };
    at = end + 1;
  }
}

function bad(): RestbackupError {
  return new RestbackupError("damaged", "The archive is damaged: the list of a folder is none.");
}
