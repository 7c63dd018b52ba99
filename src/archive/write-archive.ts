import type { Authentication } from "../encryption/authentication-record.ts";
import type { ContentsIndex, ContentsSource, ContentsTotals, ContentsWarning } from "./contents.ts";
import {
  encodeFooter,
  encodeIndex,
  indexDigest,
  type Segment,
  SKIPPABLE_HEADER,
  skippableHeader,
} from "./contents-list.ts";
import type { Packed } from "./packed-parts.ts";
import { SeekTableWriter } from "./seek-table.ts";

/** Compressed contents list kept back at most; more is put between frames of content. */
const MAX_KEPT_SEGMENTS = 16 * 2 ** 20;
/** Warnings written down; the rest is only counted. */
const MAX_WARNINGS = 1000;

export interface ArchiveDescription {
  /** The entry name it will be stored under. */
  readonly archive: string;
  /** RFC 3339 in UTC. */
  readonly created: string;
  readonly writer: string;
  readonly source: ContentsSource;
}

export interface ArchiveWriterOptions {
  /** Signs the index (`authentication.ts`). */
  readonly authenticate: (
    digest: Buffer,
    totals: ContentsTotals,
  ) => Authentication | Promise<Authentication>;
  readonly onWarning?: ((warning: ContentsWarning) => void) | undefined;
  /** Told of every frame: bytes of tar stream it holds. */
  readonly onFrame?: ((bytes: number) => void) | undefined;
}

export interface WrittenArchive {
  readonly index: ContentsIndex;
  readonly totals: ContentsTotals;
}

/**
 * Puts packed parts together to the zstd stream inside age: frames, contents list, seek table.
 * Yields it in order, in batches of pieces that are its own until the next is asked for; returns what
 * it says about itself.
 */
export async function* writeArchive(
  packed: AsyncIterable<Packed>,
  description: ArchiveDescription,
  options: ArchiveWriterOptions,
): AsyncGenerator<readonly Buffer[], WrittenArchive> {
  const seekTable = new SeekTableWriter();
  const segments: Segment[] = [];
  const warnings: ContentsWarning[] = [];
  let kept: Buffer[] = [];
  let keptSize = 0;
  let position = 0;

  for await (const part of packed) {
    switch (part.type) {
      case "frame": {
        const size = part.pieces.reduce((sum, piece) => sum + piece.length, 0);
        seekTable.add(size, part.decompressed);
        position += size;
        yield part.pieces;
        options.onFrame?.(part.decompressed);
        break;
      }
      case "segment": {
        const { lines, entries, start, first } = part.segment;
        segments.push({
          // Within the kept ones for now; made absolute when they are written.
          offset: keptSize,
          size: part.compressed.length,
          length: lines.length,
          entries,
          start,
          first,
          sha256: indexDigest(part.compressed).toString("hex"),
        });
        kept.push(part.compressed);
        keptSize += part.compressed.length;
        if (keptSize >= MAX_KEPT_SEGMENTS) {
          settle(segments, kept.length, position + SKIPPABLE_HEADER);
          yield [skippableHeader(keptSize), ...kept];
          seekTable.add(SKIPPABLE_HEADER + keptSize, 0);
          position += SKIPPABLE_HEADER + keptSize;
          kept = [];
          keptSize = 0;
        }
        break;
      }
      case "warning":
        if (warnings.length < MAX_WARNINGS) warnings.push(part.warning);
        options.onWarning?.(part.warning);
        break;
      case "done": {
        const { tarSize, ...totals } = part.totals;
        settle(segments, kept.length, position + SKIPPABLE_HEADER);
        const index = {
          format: 1,
          archive: description.archive,
          created: description.created,
          writer: description.writer,
          source: description.source,
          totals,
          tarSize,
          warnings,
          segments,
        } as const;
        const indexBytes = encodeIndex(index);
        const proof = await options.authenticate(indexDigest(indexBytes), totals);
        const authentication = Buffer.from(JSON.stringify(proof), "utf8");
        const footer = encodeFooter(indexBytes, authentication);
        const size = keptSize + indexBytes.length + authentication.length + footer.length;
        yield [skippableHeader(size), ...kept, indexBytes, authentication, footer];
        seekTable.add(SKIPPABLE_HEADER + size, 0);
        yield [seekTable.finish()];
        return { index, totals };
      }
    }
  }
  throw new Error("the packed tree ended without saying so");
}

/** Gives the last `count` segments their place in the stream. */
function settle(segments: Segment[], count: number, base: number): void {
  for (let i = segments.length - count; i < segments.length; i++) {
    segments[i] = { ...segments[i]!, offset: segments[i]!.offset + base };
  }
}
