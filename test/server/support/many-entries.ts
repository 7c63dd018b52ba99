import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { diskPath } from "../../../src/stores/disk-name.ts";

/** Stores `count` empty entries at once, by writing what the server would have written. */
export function makeEntries(archives: string, count: number): void {
  const sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const meta = join(archives, ".restbackup", "meta");
  const createtime = Math.floor(Date.now() / 1000);
  for (let index = 0; index < count; index += 1) {
    const name = `site-${index}-20261123T094012Z.tar.zst.age`;
    const path = join(...diskPath(name));
    if (index === 0) mkdirSync(dirname(join(meta, path)), { recursive: true });
    writeFileSync(join(archives, path), "");
    const record = { name, size: 0, createtime, sha256 };
    writeFileSync(join(meta, path), `${JSON.stringify(record)}\n`);
  }
}
