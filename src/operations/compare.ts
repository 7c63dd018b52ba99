import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink, stat } from "node:fs/promises";
import { pathFromBytes } from "../archive/path-bytes.ts";
import { globMatcher } from "../archive/selection.ts";
import { ioError, RestbackupError } from "../errors.ts";
import { countInWords, grouped, visible } from "../words.ts";

const PIECE = 256 * 2 ** 10;
const SHOWN = 10;

export interface CompareOptions {
  /** Globs as in `exclude` of a backup: what is left aside. */
  readonly exclude: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compares a restored folder with another: names, kinds, contents, where links point and whether a
 * file can be executed. Times and other mode bits are not compared, as a checkout or a build makes
 * them anew; sockets and devices of the other are no part of backups. Returns how many entries were
 * compared. Throws `rehearsal-failed` with the first differences, `usage` when the other is no folder.
 */
export async function compareFolders(
  restored: string,
  other: string,
  options: CompareOptions,
): Promise<number> {
  const isFolder = await stat(other).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    throw new RestbackupError("usage", `${visible(other)} is no folder to compare with.`);
  }
  const comparison = new Comparison(options);
  try {
    await comparison.folders(Buffer.from(restored), Buffer.from(other), "");
  } catch (error) {
    options.signal?.throwIfAborted();
    throw ioError(`Cannot compare with ${visible(other)}`, error);
  }
  comparison.requireEqual(other);
  return comparison.compared;
}

type Kind = "file" | "folder" | "link" | "other";

class Comparison {
  compared = 0;
  readonly #signal: AbortSignal | undefined;
  readonly #isExcluded: (path: string) => boolean;
  readonly #shown: string[] = [];
  #differences = 0;

  constructor({ exclude, signal }: CompareOptions) {
    this.#signal = signal;
    this.#isExcluded = exclude.length === 0 ? () => false : globMatcher(exclude);
  }

  requireEqual(other: string): void {
    if (this.#differences === 0) return;
    const more = this.#differences - this.#shown.length;
    const lines = [...this.#shown, ...(more > 0 ? [`and ${grouped(more)} more`] : [])];
    throw new RestbackupError(
      "rehearsal-failed",
      `What was restored is not what ${visible(other)} holds: ${countInWords(this.#differences, "difference")}.`,
      { hint: lines.join("\n") },
    );
  }

  async folders(restored: Buffer, other: Buffer, prefix: string): Promise<void> {
    const ours = await kindsIn(restored);
    const theirs = await kindsIn(other);
    for (const name of [...new Set([...ours.keys(), ...theirs.keys()])].sort()) {
      this.#signal?.throwIfAborted();
      const bytes = Buffer.from(name, "latin1");
      const path = `${prefix}${pathFromBytes(bytes)}`;
      if (this.#isExcluded(path)) continue;
      const kind = ours.get(name);
      const otherKind = theirs.get(name);
      if (kind === undefined) {
        if (otherKind !== "other") this.#differs(path, "is not in the backup");
        continue;
      }
      this.compared += 1;
      if (otherKind === undefined) this.#differs(path, "is only in the backup");
      else if (kind !== otherKind) {
        const there = otherKind === "other" ? "something else" : `a ${otherKind}`;
        this.#differs(path, `is a ${kind} in the backup, and ${there} there`);
      } else await this.#alike(within(restored, bytes), within(other, bytes), path, kind);
    }
  }

  async #alike(restored: Buffer, other: Buffer, path: string, kind: Kind): Promise<void> {
    if (kind === "folder") return this.folders(restored, other, `${path}/`);
    if (kind === "link") {
      const options = { encoding: "buffer" } as const;
      const targets = [await readlink(restored, options), await readlink(other, options)];
      if (!targets[0]!.equals(targets[1]!)) this.#differs(path, "points elsewhere");
      return;
    }
    const [ours, theirs] = [await lstat(restored), await lstat(other)];
    const canRun = (mode: number) => (mode & constants.S_IXUSR) !== 0;
    if (ours.size !== theirs.size || !(await sameContent(restored, other))) {
      this.#differs(path, "has another content");
    } else if (process.platform !== "win32" && canRun(ours.mode) !== canRun(theirs.mode)) {
      this.#differs(path, `can${canRun(ours.mode) ? "" : "not"} be executed in the backup`);
    }
  }

  #differs(path: string, how: string): void {
    this.#differences += 1;
    if (this.#shown.length < SHOWN) this.#shown.push(`${visible(path)} ${how}`);
  }
}

/** What a folder holds, by name; one char a byte, as names need not be UTF-8. */
async function kindsIn(folder: Buffer): Promise<Map<string, Kind>> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
  return new Map(
    entries.map((entry) => [
      entry.name.toString("latin1"),
      entry.isFile()
        ? "file"
        : entry.isDirectory()
          ? "folder"
          : entry.isSymbolicLink()
            ? "link"
            : "other",
    ]),
  );
}

function within(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), name]);
}

async function sameContent(one: Buffer, other: Buffer): Promise<boolean> {
  await using first = await open(one);
  await using second = await open(other);
  const [ours, theirs] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
  for (;;) {
    const [length, otherLength] = await Promise.all([fill(first, ours), fill(second, theirs)]);
    if (length !== otherLength || !ours.subarray(0, length).equals(theirs.subarray(0, length)))
      return false;
    if (length < PIECE) return true;
  }
}

/** Reads on until the buffer is full or the file at its end. */
async function fill(file: FileHandle, buffer: Buffer): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
