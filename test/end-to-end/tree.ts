import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const windows = process.platform === "win32";

/** Makes a small folder that has something of everything a tree can hold. */
export function makeTree(root: string): void {
  const at = (...parts: string[]) => path.join(root, ...parts);
  fs.mkdirSync(at("folder", "deep", "er"), { recursive: true });
  fs.mkdirSync(at("empty folder"));
  fs.writeFileSync(at("empty"), "");
  fs.writeFileSync(at(".hidden"), "hidden\n");
  fs.writeFileSync(at("folder", "näme with späces ✓"), "unicode\n");
  fs.writeFileSync(at("folder", "deep", "er", "big"), Buffer.alloc(1_000_000, "0123456789\n"));
  fs.writeFileSync(at("folder", `${"long".repeat(50)}.txt`), "long\n");
  if (!windows) {
    fs.writeFileSync(at("program"), "#!/bin/sh\n", { mode: 0o755 });
    fs.writeFileSync(at("private"), "private\n", { mode: 0o600 });
    fs.writeFileSync(at("folder", "`code` [link](x)::error::"), "a name that is no command\n");
    fs.symlinkSync("folder/deep", at("link to folder"));
    fs.symlinkSync("nowhere", at("dangling"));
    fs.linkSync(at("program"), at("folder", "hard link"));
  }
  setTimes(root);
}

/**
 * Gives every entry a time of its own. Node sets times as floating-point seconds, which today are
 * 238 ns apart, so that only times Node has set itself can be set again to the nanosecond.
 */
function setTimes(root: string): void {
  const entries = fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort().reverse();
  for (const [index, entry] of [...entries, "."].entries()) {
    const seconds = 1_700_000_000 + index * 1000 + 1 / (index + 3);
    fs.lutimesSync(path.join(root, entry), seconds, seconds);
  }
}

/** What there is to compare of a folder: every entry below it by path, with all that must come back. */
export function treeOf(root: string): Record<string, object> {
  const entries = fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(entries.map((entry) => [entry, about(path.join(root, entry))]));
}

function about(file: string): object {
  const stat = fs.lstatSync(file, { bigint: true });
  // Windows has no mode bits, and keeps times in steps of 100 ns.
  const common = windows
    ? { mtime: stat.mtimeMs }
    : { mode: Number(stat.mode), mtime: stat.mtimeNs };
  if (stat.isSymbolicLink()) return { link: fs.readlinkSync(file), mtime: common.mtime };
  if (stat.isDirectory()) return { folder: true, ...common };
  const sha256 = createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  return { sha256, size: stat.size, links: stat.nlink, ...common };
}
