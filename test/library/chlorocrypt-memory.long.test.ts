import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const BENCH = fileURLToPath(new URL("../../bench/chlorocrypt.ts", import.meta.url));

it("chlorocrypt takes 1 GB in constant memory", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, "--rounds", "1"]);
  // Its speed beside the ciphers alone is for bench/ to say: here other tests run meanwhile.
  console.log(stdout);
  expect(stdout).toMatch(/^\| encrypt, verify and decrypt \|/m);
  // Of Node itself and buffers that wait to be collected; a file that was held would be 1024.
  expect(Number(/Peak memory (\d+) MiB/.exec(stdout)![1])).toBeLessThan(512);
});
