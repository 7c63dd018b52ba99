import type { ContentsTotals } from "../contents.ts";
import { parseDumpdir } from "./dumpdir.ts";
import { memberPath } from "./member-path.ts";
import { readTar, type TarMember } from "./reader.ts";
import type { Tree } from "./tree.ts";

export interface ApplyOptions {
  /** What the archive is applied to; undefined checks everything and writes nothing. */
  readonly tree: Tree | undefined;
  /** No increment follows. */
  readonly newest: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with every member, and with bytes of content as they come. */
  readonly onMember?: ((member: TarMember, path: string) => void | Promise<void>) | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads a tar archive, plain or incremental, and applies it to a tree. Returns what was in it.
 * Throws `damaged`, and `io` when something cannot be written; then the tree is of no use.
 */
export async function applyArchive(
  source: AsyncIterable<Uint8Array>,
  options: ApplyOptions,
): Promise<ContentsTotals> {
  const { tree, newest, signal } = options;
  const totals = { files: 0, directories: 0, links: 0, bytes: 0 };
  for await (const member of readTar(source)) {
    signal?.throwIfAborted();
    const path = memberPath(member.path);
    await options.onMember?.(member, path);
    switch (member.kind) {
      case "directory": {
        totals.directories += 1;
        const list = member.dumpdir === undefined ? undefined : parseDumpdir(member.dumpdir);
        if (list !== undefined) tree?.dumpdir(path, list, newest);
        tree?.folder(path, member);
        break;
      }
      case "file":
        totals.files += 1;
        totals.bytes += member.size;
        if (tree !== undefined) await write(tree, path, member, options);
        break;
      case "symlink":
        totals.links += 1;
        tree?.symlink(path, member);
        break;
      case "hardlink":
        totals.links += 1;
        memberPath(member.target);
        tree?.hardlink(path, member);
        break;
      case "special":
        tree?.special(path);
        break;
    }
  }
  tree?.end();
  return totals;
}

async function write(
  tree: Tree,
  path: string,
  member: TarMember,
  { signal, onBytes }: ApplyOptions,
): Promise<void> {
  const file = tree.file(path, member);
  try {
    for await (const { at, bytes } of member.content()) {
      signal?.throwIfAborted();
      file.write(at, bytes);
      onBytes?.(bytes.length);
    }
    file.finish();
  } finally {
    file.close();
  }
}
