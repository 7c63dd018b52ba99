import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const BENCH = fileURLToPath(new URL("../../bench/chlorocrypt.ts", import.meta.url));

it("chlorocrypt takes 1 GB at no less than half the speed of its ciphers alone, and memory stays", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, "--rounds", "3"]);
  const rows = [
    ...stdout.matchAll(/^\| (encrypt.*) \| (\d+) MB\/s \| (\d+) MB\/s \| ([\d.]+) \|$/gm),
  ];
  expect(rows.map(([, work]) => work)).toEqual(["encrypt", "encrypt, verify and decrypt"]);
  for (const [, , , , ratio] of rows) expect(Number(ratio)).toBeGreaterThan(0.5);
  // Of Node itself and buffers that wait to be collected; a file that was held would be 1024.
  expect(Number(/Peak memory (\d+) MiB/.exec(stdout)![1])).toBeLessThan(512);
});
