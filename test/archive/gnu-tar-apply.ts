import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { applyArchive } from "../../src/archive/gnu-tar/apply.ts";
import { Room } from "../../src/archive/gnu-tar/room.ts";
import { Tree } from "../../src/archive/gnu-tar/tree.ts";

/** A folder that is gone after the test. */
export function scratch(): string {
  const folder = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "gnu-tar-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A tree in a new folder below `folder`. */
export function newTree(
  folder: string,
  maxBytes?: number,
): { tree: Tree; root: string; warnings: string[] } {
  const root = join(folder, "ours");
  fs.mkdirSync(root);
  const warnings: string[] = [];
  const room = new Room(root, maxBytes);
  const warn = (warning: string) => void warnings.push(warning);
  return { tree: new Tree({ root, sameOwner: false, room, warn }), root, warnings };
}

/** Applies an archive, a file or bytes, as the newest of its chain. */
export async function apply(tree: Tree | undefined, archive: string | Uint8Array) {
  const source =
    typeof archive === "string" ? fs.createReadStream(archive) : pieces(Buffer.from(archive));
  return applyArchive(source, { tree, newest: true });
}

/** Odd pieces, so that nothing depends on where they are cut. */
async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}
