// Builds dist/, which the Action and the command line run, and says what each entry loads.
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundle, checkLimits, root } from "./bundle.ts";

const dist = join(root, "dist");
const built = await bundle();
await rm(dist, { recursive: true, force: true });
await mkdir(dist);
for (const [name, contents] of built.files) await writeFile(join(dist, name), contents);
await chmod(join(dist, "cli.js"), 0o755);
for (const [entry, { start, all }] of built.loads) {
  console.log(`dist/${entry.padEnd(18)} loads ${inWords(start)} to start, ${inWords(all)} at most`);
}
checkLimits(built);

function inWords(bytes: number): string {
  return `${String(Math.ceil(bytes / 1000)).padStart(4)} kB`;
}
