// Fails unless the dist/ that git holds (its index: what is committed, or about to be) is, byte for
// byte, what the sources build to. People run that code; this is why they may trust the sources.
import { execFileSync } from "node:child_process";
import { bundle, checkLimits, root } from "./bundle.ts";

function git(...args: string[]): Buffer {
  return execFileSync("git", args, { cwd: root, maxBuffer: 2 ** 28 });
}

const built = await bundle();
checkLimits(built);
const held = git("ls-files", "-z", "dist").toString().split("\0").filter(Boolean);
const problems: string[] = [];
for (const path of held) {
  if (!built.files.has(path.slice("dist/".length))) problems.push(`${path} is no longer built`);
}
for (const [name, contents] of built.files) {
  const path = `dist/${name}`;
  if (!held.includes(path)) problems.push(`${path} is missing`);
  else if (!git("cat-file", "blob", `:${path}`).equals(contents)) problems.push(`${path} differs`);
}
if (problems.length > 0) {
  console.error(
    `${problems.join("\n")}\ndist/ is not what the sources build to: run npm run build.`,
  );
  process.exitCode = 1;
} else {
  console.log(`dist/ is fresh: ${built.files.size} files, byte for byte.`);
}
