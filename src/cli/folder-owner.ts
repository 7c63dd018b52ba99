import { stat } from "node:fs/promises";

/**
 * Makes root work as the user that a server's data folder belongs to: what root wrote there the
 * server could not read.
 */
export async function actAsOwner(folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const owner = await stat(folder).catch(() => undefined);
  if (owner === undefined || owner.uid === 0) return;
  process.setgroups?.([owner.gid]);
  process.setegid?.(owner.gid);
  process.seteuid?.(owner.uid);
}
