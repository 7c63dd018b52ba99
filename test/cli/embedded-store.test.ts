import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.remove());

describe("the embedded default", () => {
  test("the first backup makes a key, says where, and restores with nothing else given", async () => {
    const made = await world.run(["backup", "website"]);
    expect(made.code).toBe(0);
    expect(made.stderr).toContain(world.keyFile);
    expect(made.stderr).toContain("without it no restore is possible");
    expect(statSync(world.keyFile).mode & 0o777).toBe(0o600);
    const key = readFileSync(world.keyFile, "utf8");
    const command = /^ {2}restbackup (restore .*)$/m.exec(made.stdout)![1]!.split(" ");
    expect((await world.run(command)).code).toBe(0);
    const restored = join(world.work, "website-restored", "index.html");
    expect(readFileSync(restored, "utf8")).toBe("<h1>hello</h1>\n");

    const second = await world.run(["backup", "website", "--quiet"]);
    expect(second).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(world.keyFile, "utf8")).toBe(key);
  });

  test("a quiet first backup still says where the key is", async () => {
    const { stderr, stdout } = await world.run(["-q", "backup", "website"]);
    expect(stdout).toBe("");
    expect(stderr).toContain(world.keyFile);
  });

  test("two first backups at once agree on one key", async () => {
    const both = await Promise.all([
      world.run(["backup", "website", "--name", "one"]),
      world.run(["backup", "website", "--name", "two"]),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    for (const name of ["one", "two"]) {
      expect((await world.run(["verify", "--name", name])).code).toBe(0);
    }
  });

  test("a key that got lost is not quietly replaced", async () => {
    await world.run(["backup", "website"]);
    rmSync(world.keyFile);
    const { code, stderr } = await world.run(["backup", "website"]);
    expect(code).toBe(2);
    expect(stderr).toContain("holds backups already");
    expect(existsSync(world.keyFile)).toBe(false);
  });

  test("a machine without backups lists none, and has nothing to restore", async () => {
    const listed = await world.run(["list"]);
    expect([listed.code, listed.stdout]).toEqual([0, ""]);
    expect((await world.json(["list"])).entries).toEqual([]);
    const { code, stderr } = await world.run(["restore"]);
    expect(code).toBe(3);
    expect(stderr).toContain("restbackup backup FOLDER");
    expect(existsSync(world.storeFolder)).toBe(false);
  });

  test("a user without HOME keeps it where XDG says", async () => {
    const env = {
      HOME: undefined,
      XDG_CONFIG_HOME: join(world.root, "config"),
      XDG_DATA_HOME: join(world.root, "data"),
    };
    expect((await world.run(["backup", "website"], { env })).code).toBe(0);
    expect(existsSync(join(world.root, "config", "restbackup", "key.txt"))).toBe(true);
    expect(existsSync(join(world.root, "data", "restbackup", "store"))).toBe(true);
    expect((await world.run(["verify"], { env })).code).toBe(0);
  });
});
