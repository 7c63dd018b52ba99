/** Seconds either way from 1970: what ECMAScript's time can tell, about 270,000 years. */
export const MAX_MTIME = 8_640_000_000_000;

/** One entry of a contents list (docs/format.md, "Contents list"). */
export interface ContentsEntry {
  /**
   * Path below the archive's root with `/` between parts, no leading or trailing slash; the root
   * itself is `.`. A byte that is not valid UTF-8 stands as the lone surrogate U+DC00 + byte.
   */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink";
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Seconds since 1970 as a decimal string with up to nine decimals: `"1763890812.123456789"`. */
  readonly mtime: string;
  /** Numeric owner; absent means 0. */
  readonly uid?: number;
  readonly gid?: number;
  /** Files: content length in bytes. */
  readonly size?: number;
  /** Files: SHA-256 of the content, 64 lower-case hex digits. */
  readonly sha256?: string;
  /** Files: where the content begins in the tar stream, in bytes. */
  readonly offset?: number;
  /** Symbolic links: where they point. Hard links: the path of the entry that holds the content. */
  readonly target?: string;
  /** Files: the file had holes; a restore makes them again where blocks are zero. */
  readonly sparse?: boolean;
  /** Files: what happened while it was read; the content is what was read. */
  readonly changed?: "grew" | "shrank" | "modified";
}

/** The fields of an entry that is being put together: those it does not have may be undefined. */
export type EntryFields = {
  readonly [K in keyof ContentsEntry]: Record<string, never> extends Pick<ContentsEntry, K>
    ? ContentsEntry[K] | undefined
    : ContentsEntry[K];
};

/** Something the backup could not take as it was. */
export interface ContentsWarning {
  readonly path: string;
  readonly problem: string;
}

/** What was backed up, as the writer states it. */
export interface ContentsSource {
  /** The paths or patterns as given. */
  readonly paths: readonly string[];
  /** In a workflow: repository, ref, commit and run. */
  readonly repository?: string;
  readonly ref?: string;
  readonly commit?: string;
  readonly run?: string;
}

/** How much there is. */
export interface ContentsTotals {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  /** Sum of the sizes of all files. */
  readonly bytes: number;
}

/** The head of a contents list. */
export interface ContentsIndex {
  readonly format: 1;
  /** The entry name the archive was stored under. */
  readonly archive: string;
  /** When the backup began, by the writer's clock, RFC 3339 in UTC. */
  readonly created: string;
  /** The program that wrote it, for people: `restbackup/1.0.0`. */
  readonly writer: string;
  readonly source: ContentsSource;
  readonly totals: ContentsTotals;
  /** Length of the tar stream in bytes. */
  readonly tarSize: number;
  readonly warnings: readonly ContentsWarning[];
}
