// What the bundles get in place of the module of "@actions/cache" that packs with `tar -P`, and
// unpacks so: who can write to the cache could then write any file of the runner. What we cache is
// one file, encrypted and compressed already; it becomes the cached thing itself, and no program is
// needed for it (docs/decisions/0016-cache.md).
import { copyFile, link, rename } from "node:fs/promises";
import { join } from "node:path";
import { getCacheFileName } from "../../node_modules/@actions/cache/lib/internal/cacheUtils.js";

const ARCHIVE = "archive";

export async function createTar(folder, paths, compressionMethod) {
  if (paths.length !== 1 || paths[0] !== ARCHIVE) throw new Error("only one file can be cached");
  const made = join(folder, getCacheFileName(compressionMethod));
  // File systems of some runners know no links.
  await link(ARCHIVE, made).catch(() => copyFile(ARCHIVE, made));
}

export async function extractTar(path) {
  await rename(path, ARCHIVE);
}

export async function listTar() {}
