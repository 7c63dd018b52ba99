import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gitEnvironment } from "../../src/snapshot/git-environment.ts";
import { showsProcesses, watchProcesses } from "./processes.ts";
import { contentsOf, SnapshotWorld, write } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
  const work = world.createRepository("octo/secretive");
  world.createRepository("octo/secretive.wiki");
  write(work, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
  write(work, "big.bin", world.lfsObject(randomBytes(100_000)).pointer);
  world.git(work, "add", "-A");
  world.git(work, "commit", "-q", "-m", "Add media");
  world.git(work, "push", "-q", world.bare("octo/secretive"), "trunk");
});
afterAll(() => world?.close());

describe("the token", () => {
  const forms = () => [
    world.token,
    Buffer.from(`x-access-token:${world.token}`).toString("base64"),
  ];

  test.runIf(showsProcesses)("is in the arguments of no process", async () => {
    const { seen } = await watchProcesses(() => world.gather("octo/secretive"));
    const lines = [...seen];
    // What would have shown it, had it been there to see.
    const url = `${world.server.url}/octo/secretive`;
    expect(lines.some((line) => line.includes("git clone") && line.includes(url))).toBe(true);
    expect(lines.some((line) => line.includes("remote-http") && line.includes(url))).toBe(true);
    for (const form of forms()) {
      expect(lines.filter((line) => line.includes(form))).toEqual([]);
    }
  });

  test("is in no file, neither of the clones while they are there nor of the snapshot", async () => {
    const scratch = world.folder();
    const looked = new Set<string>();
    const look = (folder: string) => {
      for (const [file, content] of contentsOf(folder)) {
        looked.add(file);
        for (const form of forms()) expect([file, content.includes(form)]).toEqual([file, false]);
      }
    };
    const steps: string[] = [];
    const onStep = (doing: string) => {
      steps.push(doing);
      look(scratch);
    };
    const { folder } = await world.gather("octo/secretive", { scratch, onStep });
    look(folder);
    expect([...looked]).toEqual(
      expect.arrayContaining([path.join("repository.git", "config"), "repository.bundle"]),
    );
    expect(steps.length).toBeGreaterThan(3);
    for (const form of forms()) expect(steps.join("\n")).not.toContain(form);
    expect(fs.existsSync(scratch)).toBe(false);
  });

  test("is in no message, not even where a server sends it back", async () => {
    world.server.echo("octo/echo");
    const failure = await world.gather("octo/echo").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    const { message, hint, stderr } = failure as Error & { hint?: string; stderr?: string };
    const text = [message, hint, stderr].join("\n");
    expect(text).toContain("***");
    for (const form of forms()) expect(text).not.toContain(form);
  });

  test("is sent to its own server alone, wherever that points to", async () => {
    const other = await new SnapshotWorld().start();
    try {
      for (const known of [false, true]) {
        const before = other.server.requests.length;
        world.server.redirect("octo/moved", `${other.server.url}/octo/secretive`, known);
        await expect(world.gather("octo/moved")).rejects.toMatchObject({ code: "not-found" });
        expect(other.server.requests.length).toBeGreaterThan(before);
      }
      for (const { authorization } of other.server.requests) expect(authorization).toBeUndefined();
    } finally {
      await other.close();
    }
  });

  test("stands in one variable of git's environment, and no setting but the helper that reads it", async () => {
    const identity = { serverUrl: "https://github.com", token: world.token };
    const env = await gitEnvironment({ PATH: "/bin", GITHUB_TOKEN: "x" }, identity, world.folder());
    const holding = Object.entries(env).filter(([, value]) => value.includes(world.token));
    expect(holding).toEqual([["RESTBACKUP_GIT_TOKEN", world.token]]);
    expect(env.GITHUB_TOKEN).toBeUndefined();
    expect(env.GIT_CONFIG_KEY_0).toBe("credential.helper");
    expect(env.GIT_CONFIG_VALUE_0).toBe("");
    expect(env.GIT_CONFIG_KEY_1).toBe("credential.https://github.com.helper");
  });
});
