import type { ContentsIndex, ContentsTotals } from "../archive/contents.ts";
import type { ArchiveEntry } from "../operations/entries.ts";
import type { Authenticity } from "../operations/restore.ts";
import { ageInWords, countInWords, sizeInWords, timeInWords, visible } from "../words.ts";

/** Labels and values, aligned. */
export function table(rows: readonly (readonly [label: string, value: string])[]): string[] {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
}

/** `12 files, 3 folders, 1 link, 4.5 MiB`. */
export function totalsInWords({ files, directories, links, bytes }: ContentsTotals): string {
  return [
    countInWords(files, "file"),
    countInWords(directories, "folder"),
    ...(links > 0 ? [countInWords(links, "link")] : []),
    sizeInWords(bytes),
  ].join(", ");
}

/** One stored object, for --verbose; listings do not know digests. */
export function objectInWords(object: {
  readonly name: string;
  readonly size: number;
  readonly sha256?: string;
}): string {
  const digest = object.sha256 === undefined ? "" : `, SHA-256 ${object.sha256}`;
  return `object: ${object.name}, ${object.size} bytes${digest}`;
}

/** Who wrote a backup, as far as is proven. */
export function writerInWords(authenticity: Authenticity): string {
  switch (authenticity.by) {
    case "key":
      return "a holder of the key, proven";
    case "signer":
      return `${visible(authenticity.signer)}, proven by signature`;
    case "none":
      return "UNAUTHENTICATED: nothing proves who wrote it";
  }
}

/** `2026-11-23 09:40:12Z (3 hours ago)`. */
export function createdInWords(createtime: number, now = Date.now() / 1000): string {
  return `${timeInWords(createtime)} (${ageInWords(now - createtime)})`;
}

/** What was backed up: paths, or in a workflow repository, ref, commit and run. */
export function sourceInWords({ source }: ContentsIndex): string {
  const { repository, ref, commit, run, paths } = source;
  const origin = [repository, ref, commit, run].filter((part) => part !== undefined);
  return [...origin, ...paths].map(visible).join(" ");
}

/** A backup in a store, as JSON. Times are Unix seconds, sizes bytes. */
export function archiveJson({
  entry,
  name,
  createtime,
  deletetime,
  size,
  objects,
  complete,
}: ArchiveEntry) {
  return { entry, name, createtime, deletetime, size, volumes: objects.length, complete };
}
