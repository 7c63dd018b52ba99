import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { differences, treeOf } from "../support/trees.ts";
import { makeWorld, type World } from "./world.ts";

const NOBODY = 65534;

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.remove());

/** What a user other than root does, in a process of theirs: a backup or a restore. */
function asNobody(what: "backup" | "restore", options: object): Promise<Record<string, unknown>> {
  const script = fileURLToPath(new URL("as-user.ts", import.meta.url));
  const request = JSON.stringify([
    what,
    String(pathToFileURL(world.at("store"))),
    world.keyFile,
    { name: "test", cwd: world.folder, paths: [world.at("tree")], ...options },
  ]);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, request], {
      uid: NOBODY,
      gid: NOBODY,
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
    child.stdout.on("data", (data) => {
      said.stdout += data;
    });
    child.stderr.on("data", (data) => {
      said.stderr += data;
    });
    child.on("close", () => {
      if (said.stdout === "") reject(new Error(said.stderr));
      else resolve(JSON.parse(said.stdout));
    });
  });
}

/** Gives everything to nobody; modes and times stay, but set-id bits that a change of owner takes. */
function giveAway(file: string): void {
  const stat = fs.lstatSync(file);
  fs.lchownSync(file, NOBODY, NOBODY);
  if (stat.isDirectory()) for (const name of fs.readdirSync(file)) giveAway(path.join(file, name));
  if (!stat.isSymbolicLink()) fs.chmodSync(file, stat.mode);
}

/** Only root can become somebody else; and that user must reach the sources. */
const possible = process.getuid?.() === 0 && process.platform === "linux";

describe.skipIf(!possible)("a user who is not root", () => {
  beforeEach(() => {
    fs.mkdirSync(world.at("tree", "locked", "deeper"), { recursive: true });
    fs.writeFileSync(world.at("tree", "locked", "file"), "in a folder nobody may write to");
    fs.writeFileSync(world.at("tree", "locked", "deeper", "file"), "deeper");
    fs.writeFileSync(world.at("tree", "read-only"), "read-only", { mode: 0o400 });
    fs.writeFileSync(world.at("tree", "setuid"), "setuid");
    fs.linkSync(world.at("tree", "read-only"), world.at("tree", "same"));
    fs.symlinkSync("locked", world.at("tree", "link"));
    fs.chmodSync(world.at("tree", "setuid"), 0o4755);
    fs.chmodSync(world.at("tree", "locked", "deeper"), 0o500);
    fs.chmodSync(world.at("tree", "locked"), 0o555);
    fs.chmodSync(world.at("tree"), 0o555);
    giveAway(world.folder);
  });

  test("gets back folders and files that may not be written to", async () => {
    const before = treeOf(world.at("tree"));
    expect(await asNobody("backup", {})).toMatchObject({ warnings: [], totals: { files: 4 } });
    expect(await asNobody("restore", { to: world.at("restored") })).toMatchObject({ warnings: [] });
    expect(differences(before, treeOf(world.at("restored")), { tolerance: 1000n })).toEqual([]);
    expect(fs.statSync(world.at("restored", "locked", "file")).uid).toBe(NOBODY);
    expect(fs.readdirSync(world.folder).sort()).toEqual(["key.txt", "restored", "store", "tree"]);
  });

  test("gets a part of such a tree", async () => {
    await asNobody("backup", {});
    const include = ["locked/deeper", "same"];
    expect(await asNobody("restore", { to: world.at("part"), include })).toMatchObject({
      warnings: [],
      totals: { files: 2 },
    });
    expect(fs.readFileSync(world.at("part", "locked", "deeper", "file"), "utf8")).toBe("deeper");
    expect(fs.statSync(world.at("part", "locked")).mode & 0o777).toBe(0o555);
  });

  test("loses set-id bits of others' files, and is told", async () => {
    fs.lchownSync(world.at("tree", "setuid"), 0, 0);
    fs.chmodSync(world.at("tree", "setuid"), 0o4755);
    await asNobody("backup", {});
    const { warnings } = await asNobody("restore", { to: world.at("restored") });
    expect(warnings).toEqual([expect.stringMatching(/^setuid: set-user-id/)]);
    expect(fs.statSync(world.at("restored", "setuid")).mode & 0o7777).toBe(0o755);
  });

  test("cannot back up a file that may not be read, and is told which", async () => {
    fs.chmodSync(world.at("tree", "locked", "file"), 0);
    const refusal = await asNobody("backup", {});
    expect(refusal).toMatchObject({
      code: "io",
      message: expect.stringMatching(/^Cannot read locked\/file: .*permission denied/),
      hint: expect.stringContaining("exclude"),
    });
    expect(fs.readdirSync(world.at("store")).filter((name) => name.endsWith(".age"))).toEqual([]);
    expect(await asNobody("backup", { exclude: ["locked/file"] })).toMatchObject({ warnings: [] });
  });

  test("cannot back up a folder that may not be listed, and is told which", async () => {
    fs.chmodSync(world.at("tree", "locked", "deeper"), 0);
    expect(await asNobody("backup", {})).toMatchObject({
      code: "io",
      message: expect.stringMatching(/^Cannot read locked\/deeper: .*permission denied/),
    });
    fs.chmodSync(world.at("tree"), 0);
    expect(await asNobody("backup", {})).toMatchObject({
      code: "io",
      message: expect.stringMatching(/^Cannot read \.: .*permission denied/),
    });
  });
});
