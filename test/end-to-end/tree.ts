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
  fs.utimesSync(at("empty"), 1_000_000_000.25, 1_000_000_000.25);
  fs.utimesSync(at("folder", "deep"), 1_234_567_890, 1_234_567_890);
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
  if (stat.isSymbolicLink()) return { link: fs.readlinkSync(file) };
  if (stat.isDirectory()) return { folder: true, ...common };
  const sha256 = createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  return { sha256, size: stat.size, links: stat.nlink, ...common };
}
