import type { Git } from "./git.ts";

/** An object that Git LFS keeps outside of git. */
export interface LfsObject {
  /** SHA-256 of its content, hex. */
  readonly oid: string;
  /** In bytes. */
  readonly size: number;
}

/** git-lfs, docs/spec.md, "The Pointer": less than 1024 bytes, and no shorter than its three lines. */
const MAX_POINTER = 1023;
const MIN_POINTER = 100;

/** The current version and those of before, which git-lfs still reads. */
const POINTER =
  /^version (?:https:\/\/git-lfs\.github\.com\/spec\/v1|https:\/\/hawser\.github\.com\/spec\/v1|http:\/\/git-media\.io\/v\/2)\n(?:ext-\d-.+\n)*oid sha256:(?<oid>[0-9a-f]{64})\nsize (?<size>\d{1,15})\n?/;

/** Reads a pointer; undefined for anything else. */
export function parsePointer(text: string): LfsObject | undefined {
  const match = POINTER.exec(text)?.groups as { oid: string; size: string } | undefined;
  return match === undefined ? undefined : { oid: match.oid, size: Number(match.size) };
}

/**
 * The LFS objects that any file in any version of a clone points to, by oid. Read from git alone,
 * so that their use is noticed, and their fetching checked, without git-lfs.
 */
export async function findLfsObjects(git: Git): Promise<LfsObject[]> {
  const found = new Map<string, LfsObject>();
  for await (const content of contents(git)) {
    const object = parsePointer(content);
    // git-lfs stores nothing for an empty file.
    if (object !== undefined && object.size > 0) found.set(object.oid, object);
  }
  return [...found.values()].sort((a, b) => (a.oid < b.oid ? -1 : 1));
}

/** The content of every blob that is as small as a pointer. */
async function* contents(git: Git): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let wanted = 0;
  let size: number | undefined;
  for await (const chunk of git.stream(["cat-file", "--batch", "--buffer"], smallBlobs(git))) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (size === undefined) {
        const end = rest.indexOf(0x0a);
        if (end === -1) break;
        size = Number(rest.toString("latin1", 0, end).split(" ")[2]);
        wanted = size + 1;
        rest = rest.subarray(end + 1);
      }
      if (rest.length < wanted) break;
      yield rest.toString("utf8", 0, size);
      rest = rest.subarray(wanted);
      size = undefined;
    }
  }
}

async function* smallBlobs(git: Git): AsyncGenerator<string> {
  const format = "%(objectname) %(objecttype) %(objectsize)";
  const list = ["cat-file", "--batch-all-objects", "--unordered", `--batch-check=${format}`];
  for await (const line of git.lines(list)) {
    const [object, type, size] = line.split(" ");
    if (type !== "blob" || Number(size) < MIN_POINTER || Number(size) > MAX_POINTER) continue;
    yield `${object}\n`;
  }
}
