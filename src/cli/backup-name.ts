import path from "node:path";
import { RestbackupError } from "../errors.ts";

/**
 * The NAME of a backup that was given none: that of the folder, or for several paths of the folder
 * that holds them all, with what a shell or url would trip over replaced by dashes. Throws `usage`
 * when nothing is left.
 */
export function defaultName(paths: readonly string[], cwd: string): string {
  const [first = "", ...others] = paths.map((one) => path.resolve(cwd, one));
  let folder = first;
  for (const other of others) while (!holds(folder, other)) folder = path.dirname(folder);
  const name = safeName(path.basename(folder));
  if (name !== "") return name;
  throw new RestbackupError("usage", "The backup needs a name.", {
    hint: "Give one with --name, for example --name website.",
  });
}

function holds(folder: string, inner: string): boolean {
  const below = path.relative(folder, inner);
  const outside = below === ".." || below.startsWith(`..${path.sep}`) || path.isAbsolute(below);
  // Another drive on Windows: going up ends at its root.
  return !outside || folder === path.dirname(folder);
}

function safeName(name: string): string {
  const plain = name
    .normalize("NFC")
    .replaceAll(/[^\p{L}\p{M}\p{N}._-]+/gu, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "");
  // Room for the date and suffix in a file name of 255 bytes.
  let short = plain;
  while (Buffer.byteLength(short) > 100) short = [...short].slice(0, -1).join("");
  return short;
}
