import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openDirectoryStore } from "../../../src/stores/directory.ts";
import { contentOf } from "../../stores/content.ts";

/** Stores objects as if a server had taken them in at a time given in Unix seconds. */
export async function storeAt(
  archives: string,
  createtime: number,
  contents: Readonly<Record<string, string>>,
): Promise<void> {
  const store = await openDirectoryStore(archives, {
    create: true,
    clock: () => createtime * 1000,
  });
  for (const [name, text] of Object.entries(contents)) await store.put(name, contentOf(text));
}

/** Every file below a folder, sorted; what the store keeps for itself too. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
