import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { RestbackupError } from "../errors.ts";
import type { Git } from "./git.ts";
import type { Refs } from "./refs.ts";

/**
 * Writes all refs of a clone to one bundle (gitformat-bundle), and reads it back: git verifies it in
 * `empty`, a repository without objects, so that it is known to need none; its refs are those of the
 * clone; the pack's own checksum holds. Equal repositories give equal bundles with one version of
 * git, however a server has packed them. Throws `damaged`.
 *
 * @param empty where to make that repository; removed by the caller.
 */
export async function writeBundle(
  git: Git,
  refs: Refs,
  file: string,
  empty: string,
): Promise<void> {
  // What was fetched is in the server's packing, and would be taken over from there: -F packs anew.
  await git.run(["repack", "-q", "-a", "-d", "-F", "--no-write-bitmap-index"]);
  await git.run(["bundle", "create", "--quiet", file, "--all"]);
  await git.run([
    ...["init", "--quiet", "--bare", "--template="],
    ...[`--object-format=${refs.objectFormat}`, empty],
  ]);
  await git.in(empty).run(["bundle", "verify", "--quiet", file]);
  await checkHeads(git, refs, file);
  await checkPack(file, refs.objectFormat);
}

async function checkHeads(git: Git, refs: Refs, file: string): Promise<void> {
  const expected = new Set(Object.entries(refs.refs).map(([name, object]) => `${object} ${name}`));
  if (refs.commit !== null) expected.add(`${refs.commit} HEAD`);
  for await (const line of git.lines(["bundle", "list-heads", file])) {
    if (!expected.delete(line)) throw damaged(file, `it holds ${line}, which the clone does not`);
  }
  const [missing] = expected;
  if (missing !== undefined) throw damaged(file, `it lacks ${missing}`);
}

/**
 * Reads all of it. The header is lines of text that an empty one ends; the pack after it ends with
 * the hash of all before (gitformat-bundle, gitformat-pack).
 */
export async function checkPack(file: string, objectFormat: string): Promise<void> {
  const hash = createHash(objectFormat);
  const hashLength = objectFormat === "sha256" ? 32 : 20;
  let head: Buffer | undefined = Buffer.alloc(0);
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    let pack: Buffer = chunk;
    if (head !== undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\n\n");
      if (end === -1) continue;
      pack = head.subarray(end + 2);
      head = undefined;
    }
    const known = Buffer.concat([tail, pack]);
    const end = Math.max(0, known.length - hashLength);
    hash.update(known.subarray(0, end));
    tail = known.subarray(end);
  }
  if (!hash.digest().equals(tail)) throw damaged(file, "the checksum of its pack is wrong");
}

function damaged(file: string, why: string): RestbackupError {
  return new RestbackupError(
    "damaged",
    `The bundle ${file} is not what was to be written: ${why}.`,
    {
      hint: "Check the disk and the memory of this machine, then try again.",
    },
  );
}
