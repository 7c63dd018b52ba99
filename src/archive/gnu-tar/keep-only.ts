import fs from "node:fs";
import { decimalSeconds } from "../packer.ts";
import { pathFromBytes, systemPath } from "../path-bytes.ts";
import { globMatcher } from "../selection.ts";
import { within } from "./member-path.ts";
import { removeTree } from "./tree.ts";

/**
 * Removes from a restored tree what no glob matches (`globMatcher`); a folder that matches stays
 * with all it holds, and so do the folders above what matches.
 */
export function keepOnly(root: string, include: readonly string[]): void {
  const matches = globMatcher(include);
  keepIn(root, ".", matches);
}

/** Whether something stayed. */
function keepIn(root: string, folder: string, matches: (path: string) => boolean): boolean {
  const location = systemPath(folder === "." ? root : `${root}/${folder}`);
  const before = fs.lstatSync(location, { bigint: true });
  const mode = Number(before.mode) & 0o7777;
  if ((mode & 0o700) !== 0o700) fs.chmodSync(location, mode | 0o700);
  let kept = false;
  for (const name of fs.readdirSync(location, { encoding: "buffer" })) {
    const path = within(folder, pathFromBytes(name));
    const place = systemPath(`${root}/${path}`);
    const stays =
      matches(path) || (fs.lstatSync(place).isDirectory() && keepIn(root, path, matches));
    if (stays) kept = true;
    else removeTree(place);
  }
  if (kept && folder !== ".") {
    const mtime = decimalSeconds(before.mtimeNs);
    fs.utimesSync(location, mtime, mtime);
    fs.chmodSync(location, mode);
  }
  return kept;
}
