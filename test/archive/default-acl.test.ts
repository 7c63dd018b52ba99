import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { makeWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.remove());

/**
 * Gives a folder the default ACL `u::rwx,g::PERM,o::PERM` as Linux stores it (linux/posix_acl_xattr.h):
 * version 2, then tag, permissions and id of each entry.
 */
function setDefaultAcl(folder: string, permissions: number): boolean {
  if (process.platform !== "linux" || !requireProgram("python3", "default ACLs change no mode"))
    return false;
  const script = `
import os, struct, sys
entry = lambda tag, perm: struct.pack("<HHI", tag, perm, 0xffffffff)
perm = int(sys.argv[2])
os.setxattr(sys.argv[1], "system.posix_acl_default", struct.pack("<I", 2) + entry(1, 7) + entry(4, perm) + entry(32, perm))`;
  try {
    execFileSync("python3", ["-c", script, folder, String(permissions)], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

test.each([0, 7])(
  "modes come back in a folder with a default ACL of %i for others",
  async (permissions) => {
    const place = world.at("place");
    fs.mkdirSync(place);
    if (!setDefaultAcl(place, permissions)) {
      console.warn("Skipped, as no default ACL can be set here: modes come back all the same.");
      return;
    }
    fs.mkdirSync(world.at("tree"));
    const modes = [0o600, 0o644, 0o664, 0o755, 0o777, 0o444, 0o040, 0o000];
    for (const mode of modes.filter((mode) => mode >= 0o400 || process.geteuid?.() === 0)) {
      fs.writeFileSync(world.at("tree", mode.toString(8)), "");
      fs.chmodSync(world.at("tree", mode.toString(8)), mode);
    }
    await world.backup({});
    await world.restore({ to: world.at("place", "new") });
    for (const name of fs.readdirSync(world.at("tree"))) {
      const { mode } = fs.statSync(world.at("place", "new", name));
      expect((mode & 0o7777).toString(8)).toBe(name);
    }
  },
);
