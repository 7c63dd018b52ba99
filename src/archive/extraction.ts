import { RestbackupError } from "../errors.ts";
import { free, owned } from "../memory.ts";
import type { ContentsEntry } from "./contents.ts";
import { parseEntries, type Segment } from "./contents-list.ts";
import { type Extracted, Extractor, type FilePart, linkToNothing } from "./extractor.ts";
import { FileWorkers } from "./file-workers.ts";
import type { ArchiveReader, TarRange } from "./read-archive.ts";
import { globMatcher } from "./selection.ts";
import { paddedSize } from "./tar-header.ts";

/** What of an archive is to be extracted, and where to. */
export interface Extraction {
  /** A new, empty folder; undefined checks everything and writes nothing. */
  readonly root: string | undefined;
  /** Globs (`globMatcher`); everything when absent. */
  readonly include?: readonly string[] | undefined;
  readonly sameOwner?: boolean | undefined;
}

/** Told of the entries and bytes done so far. */
export type OnExtracted = (files: number, bytes: number) => void;

/** Entries of a selection handled together. */
const BATCH = 4096;

/**
 * Reads an archive into a folder, checking every byte against the contents list. Throws `damaged`
 * when anything differs, `io` when something cannot be written. Blocks its thread while it writes.
 */
export async function extractFrom(
  reader: ArchiveReader,
  { root, include, sameOwner = false }: Extraction,
  onProgress: OnExtracted,
): Promise<Extracted> {
  if (include === undefined) return extractWhole(reader, { root, sameOwner }, onProgress);
  const extractor = new Extractor({ root, sameOwner, whole: false });
  try {
    await extractSelection(reader, extractor, include, () =>
      onProgress(extractor.files, extractor.bytes),
    );
    return extractor.end();
  } finally {
    extractor.abandon();
  }
}

async function extractWhole(
  reader: ArchiveReader,
  { root, sameOwner }: { readonly root: string | undefined; readonly sameOwner: boolean },
  onProgress: OnExtracted,
): Promise<Extracted> {
  const workers = root === undefined ? undefined : new FileWorkers({ root, sameOwner });
  let parts: FilePart[] = [];
  const extractor = new Extractor({
    root,
    sameOwner,
    whole: true,
    ...(workers === undefined ? {} : { onPart: (part: FilePart) => parts.push(part) }),
  });
  try {
    const { segments } = reader.index;
    const lists = reader.segments();
    let listed = 0;
    for await (const { offset, content } of reader.frames()) {
      // What begins in a frame is announced before it.
      for (; listed < segments.length; listed++) {
        if (segments[listed]!.start >= offset + content.length) break;
        const { lines, segment } = (await lists.next()).value as {
          lines: Buffer;
          segment: Segment;
        };
        extractor.entries(parseEntries(lines, segment));
        free(lines);
      }
      extractor.content(offset, content);
      if (parts.length > 0) {
        await workers!.make(parts, owned(content));
        parts = [];
      } else {
        free(content);
      }
      onProgress(extractor.files, extractor.bytes);
    }
    if (listed < segments.length) {
      throw new RestbackupError("damaged", "The archive's contents list names more than it holds.");
    }
    await workers?.finish();
    const extracted = extractor.end();
    checkTotals(reader, extracted);
    return { ...extracted, warnings: [...(workers?.warnings ?? []), ...extracted.warnings] };
  } finally {
    extractor.abandon();
    await workers?.stop();
  }
}

async function extractSelection(
  reader: ArchiveReader,
  extractor: Extractor,
  include: readonly string[],
  onProgress: () => void,
): Promise<void> {
  let batch: ContentsEntry[] = [];
  const flush = async (): Promise<void> => {
    const ranges = batch
      .filter(({ type, size }) => type === "file" && size! > 0)
      .map(({ offset, size }): TarRange => ({ start: offset!, end: offset! + paddedSize(size!) }));
    extractor.entries(batch);
    if (ranges.length > 0) {
      for await (const { offset, content } of reader.frames(ranges)) {
        extractor.content(offset, content);
        free(content);
        onProgress();
      }
    }
    batch = [];
  };
  for await (const entry of selectEntries(reader, include)) {
    batch.push(entry);
    if (batch.length >= BATCH) await flush();
  }
  await flush();
}

/**
 * The entries that match, with the folders above them. A hard link whose content lies under a name
 * that is not selected takes the content over.
 */
async function* selectEntries(
  reader: ArchiveReader,
  include: readonly string[],
): AsyncGenerator<ContentsEntry> {
  const heirs = new Map<string, string>();
  for await (const { entry, selected } of matching(reader, include)) {
    if (selected && entry.type === "hardlink" && !heirs.has(entry.target!)) {
      heirs.set(entry.target!, entry.path);
    }
  }
  const folders: ContentsEntry[] = [];
  // Names of content that were come across: links lead to nothing else.
  const held = new Set<string>();
  for await (const { entry, selected } of matching(reader, include)) {
    if (entry.type === "file" && heirs.has(entry.path)) held.add(entry.path);
    while (folders.length > 0 && !isAbove(folders.at(-1)!.path, entry.path)) folders.pop();
    if (!selected) {
      if (entry.type === "directory") folders.push(entry);
      const heir = entry.type === "file" ? heirs.get(entry.path) : undefined;
      if (heir !== undefined) yield { ...entry, path: heir };
      continue;
    }
    yield* folders.splice(0);
    if (entry.type !== "hardlink") {
      // Its own links stay links to it.
      heirs.delete(entry.path);
      yield entry;
      continue;
    }
    if (!held.has(entry.target!)) throw linkToNothing(entry);
    const holder = heirs.get(entry.target!);
    if (holder === undefined) yield entry;
    else if (holder !== entry.path) yield { ...entry, target: holder };
  }
}

async function* matching(
  reader: ArchiveReader,
  include: readonly string[],
): AsyncGenerator<{ entry: ContentsEntry; selected: boolean }> {
  const matches = globMatcher(include);
  // A folder that matches comes with all it holds.
  let within: string | undefined;
  for await (const entry of reader.entries()) {
    if (within !== undefined && !isAbove(within, entry.path)) within = undefined;
    const selected = within !== undefined || matches(entry.path);
    if (selected && within === undefined && entry.type === "directory") within = entry.path;
    yield { entry, selected };
  }
}

function isAbove(folder: string, path: string): boolean {
  return folder === "." ? path !== "." : path.startsWith(`${folder}/`);
}

function checkTotals(reader: ArchiveReader, { totals }: Extracted): void {
  const stated = reader.index.totals;
  if (
    totals.files !== stated.files ||
    totals.directories !== stated.directories ||
    totals.links !== stated.links ||
    totals.bytes !== stated.bytes
  ) {
    throw new RestbackupError("damaged", "The archive's contents list does not add up.");
  }
}
