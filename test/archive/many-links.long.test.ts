import fs from "node:fs";
import os from "node:os";
import { expect, test } from "vitest";
import { makeWorld } from "./world.ts";

/** ext4 takes 65,000 names for a file, tmpfs any number. */
const LINKS = 65_100;
const MEMORY = "/dev/shm";
const possible = fs.existsSync(MEMORY) && fs.statSync(MEMORY).dev !== fs.statSync(os.tmpdir()).dev;
if (!possible) console.warn(`Skipped, as ${MEMORY} is no file system of its own: many hard links.`);

test.skipIf(!possible)(
  "more hard links than the file system takes become copies, and are named",
  async () => {
    const tree = fs.mkdtempSync(`${MEMORY}/restbackup-test-`);
    const world = await makeWorld();
    try {
      fs.writeFileSync(`${tree}/a`, "one content");
      fs.chmodSync(`${tree}/a`, 0o666);
      fs.utimesSync(`${tree}/a`, 1_000_000_000, 1_000_000_000);
      for (let i = 0; i < LINKS; i++) fs.linkSync(`${tree}/a`, `${tree}/b${i}`);
      await world.backup({ paths: [tree] });
      await world.verify();
      const { warnings, totals } = await world.restore({});
      expect(totals).toMatchObject({ files: 1, links: LINKS });
      const { nlink } = fs.statSync(world.at("restored", "a"));
      const copied = LINKS + 1 - nlink;
      // A file system that takes more shows nothing here.
      if (copied === 0)
        console.warn("Nothing shown: hard links have no limit in the temporary folder.");
      expect(warnings).toHaveLength(copied);
      for (const warning of warnings) {
        const [name] = /^b\d+(?=: copied)/.exec(warning)!;
        const { mode, mtimeMs, nlink: own } = fs.statSync(world.at("restored", name));
        expect([mode & 0o7777, mtimeMs, own]).toEqual([0o666, 1e12, 1]);
        expect(fs.readFileSync(world.at("restored", name), "utf8")).toBe("one content");
      }
    } finally {
      fs.rmSync(tree, { recursive: true });
      world.remove();
    }
  },
);
