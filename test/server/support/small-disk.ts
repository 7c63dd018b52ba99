import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { temporaryFolder } from "../../support/server.ts";

export interface SmallDisk {
  readonly folder: string;
  unmount(): void;
}

/**
 * A file system of a few MB in memory; `options` as in tmpfs(5). Undefined where mounting is not
 * allowed, which is said; in CI, where nobody would read that, it throws.
 *
 * @param promise what goes untested without one, as a clause.
 */
export function mountSmallDisk(options: string, promise: string): SmallDisk | undefined {
  const folder = temporaryFolder("small-disk");
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  if (mounted.status === 0) {
    return {
      folder,
      unmount() {
        spawnSync("umount", [folder]);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }
  rmSync(folder, { recursive: true, force: true });
  if (process.env.CI) throw new Error(`Cannot mount a small disk to show that ${promise}`);
  console.warn(`Skipped, as mounting is not allowed here: ${promise}.`);
  return undefined;
}
