import type { ContentsEntry } from "../archive/contents.ts";
import type { ArchiveReader } from "../archive/read-archive.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { stoppable } from "./aborted.ts";
import type { ArchiveEntry } from "./entries.ts";
import { type Authenticity, openEntry, requireAuthentic } from "./open-entry.ts";
import type { ReadOptions } from "./restore.ts";

/** Which file of which backup. */
export interface CatOptions extends ReadOptions {
  /** Of the file, below the archive's root; a leading `./` is no part of it. */
  readonly path: string;
}

/** One file of a backup. */
export interface CatResult {
  readonly archive: ArchiveEntry;
  readonly authenticity: Authenticity;
  /** The file's own entry; a hard link's is that of the content it shares. */
  readonly file: ContentsEntry;
  /**
   * The file's bytes. Every piece was authenticated by its encryption; the last comes only when the
   * whole was what the contents list says, and `damaged` is thrown otherwise.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * One file of a backup, read with what lies around it and nothing else. Throws `not-found` when
 * there is none of that path, `usage` when it is no file.
 *
 * @example
 * ```ts
 * import { cat, openStore, parseKey } from "restbackup";
 * import { createWriteStream } from "node:fs";
 * import { pipeline } from "node:stream/promises";
 *
 * const store = await openStore(process.env.RESTBACKUP_ACCESS_URL!);
 * const key = await parseKey(process.env.RESTBACKUP_KEY!);
 * const { content } = await cat({ store, key, name: "website", path: "index.html" });
 * await pipeline(content, createWriteStream("index-of-the-backup.html"));
 * await store.close();
 * ```
 */
export function cat(options: CatOptions): Promise<CatResult> {
  return stoppable(options.signal, () => openFile(options));
}

async function openFile(options: CatOptions): Promise<CatResult> {
  const opened = await openEntry(options);
  requireAuthentic(opened, options.allowUnauthenticated);
  const { archive, reader, authenticity } = opened;
  const path = options.path.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "");
  const entry = await reader.find(path === "" ? "." : path);
  if (entry === undefined) {
    throw new RestbackupError(
      "not-found",
      `There is no ${printable(path)} in ${printable(archive.entry)}.`,
      { hint: "See what is inside with: restbackup show. Paths begin below what was backed up." },
    );
  }
  const file = await fileOf(reader, entry);
  return { archive, authenticity, file, content: reader.content(file) };
}

/** The entry that holds the content. */
async function fileOf(reader: ArchiveReader, entry: ContentsEntry): Promise<ContentsEntry> {
  const path = printable(entry.path);
  switch (entry.type) {
    case "file":
      return entry;
    case "hardlink": {
      const target = await reader.find(entry.target!);
      if (target?.type === "file") return target;
      throw new RestbackupError("damaged", `The archive links ${path} to something it lacks.`);
    }
    case "symlink":
      throw new RestbackupError("usage", `${path} is a symbolic link.`, {
        hint: `It points to ${printable(entry.target!)}.`,
      });
    case "directory":
      throw new RestbackupError("usage", `${path} is a folder.`, {
        hint: "Bring a folder back with: restbackup restore --include.",
      });
  }
}
