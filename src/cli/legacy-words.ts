import type { ArchiveEntry } from "../operations/entries.ts";
import { archiveJson } from "./present.ts";

/** An archive of older tools as JSON: `level` tells how many archives it builds on. */
export function olderJson(archive: ArchiveEntry) {
  const { level, missing } = archive.legacy!;
  return { ...archiveJson(archive), legacy: { level, missing } };
}
