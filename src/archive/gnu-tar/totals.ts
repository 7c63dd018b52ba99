import fs from "node:fs";
import type { ContentsTotals } from "../contents.ts";
import { pathFromBytes, systemPath } from "../path-bytes.ts";

/** What a restored tree holds, its root included. Further names of a file count as links. */
export function totalsOf(root: string): ContentsTotals {
  const totals = { files: 0, directories: 0, links: 0, bytes: 0 };
  const linked = new Set<number>();
  const count = (path: string): void => {
    const location = systemPath(path);
    const stat = fs.lstatSync(location);
    if (stat.isDirectory()) {
      totals.directories += 1;
      const mode = stat.mode & 0o7777;
      const locked = (mode & 0o500) !== 0o500;
      if (locked) fs.chmodSync(location, mode | 0o500);
      for (const name of fs.readdirSync(location, { encoding: "buffer" })) {
        count(`${path}/${pathFromBytes(name)}`);
      }
      if (locked) fs.chmodSync(location, mode);
    } else if (!stat.isFile() || linked.has(stat.ino)) {
      totals.links += 1;
    } else {
      if (stat.nlink > 1) linked.add(stat.ino);
      totals.files += 1;
      totals.bytes += stat.size;
    }
  };
  count(root);
  return totals;
}
