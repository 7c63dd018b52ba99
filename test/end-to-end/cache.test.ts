import { type ChildProcess, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import {
  RUNTIME_TOKEN,
  startBrokenCache,
  startCacheV1,
  startCacheV2,
  type TestCache,
} from "../support/cache-services.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";
import { type ActionFolder, type Run, runAction } from "./harness.ts";
import { treeOf } from "./tree.ts";

let server: TestServer;
let scratch: string;
let identity: string;
let counter = 0;

beforeAll(async () => {
  server = await startServer();
  scratch = fs.realpathSync(temporaryFolder("cache"));
  ({ identity } = await generateIdentity());
});

afterAll(async () => {
  await server?.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

/** A job with a workspace, a name for its backups and a folder for temporary files of its own. */
function job(env: Readonly<Record<string, string>>) {
  const name = `cached-${++counter}`;
  const workspace = path.join(scratch, name);
  const temp = path.join(scratch, `${name}-temp`);
  for (const folder of [path.join(workspace, "tree"), temp]) {
    fs.mkdirSync(folder, { recursive: true });
  }
  const tree = path.join(workspace, "tree");
  fs.writeFileSync(path.join(tree, "random.bin"), randomBytes(2_500_000));
  fs.writeFileSync(path.join(tree, "hello.txt"), "hello\n");
  // Not every file system gives nanoseconds back as they were set.
  for (const file of fs.readdirSync(tree)) fs.utimesSync(path.join(tree, file), 1.7e9, 1.7e9);
  const step = async (folder: ActionFolder, inputs: Record<string, string>): Promise<Run> => {
    const run = await runAction(folder, {
      with: { "access-url": server.accessUrl, key: identity, name, cache: "true", ...inputs },
      workspace,
      env: { RUNNER_TEMP: temp, ...env },
    });
    expect(run.annotations, run.log).toEqual([]);
    expect(run.exitCode).toBe(0);
    expect(run.log).not.toContain(RUNTIME_TOKEN);
    // All scratch files are gone.
    expect(fs.readdirSync(temp)).toEqual([]);
    return run;
  };
  return {
    name,
    workspace,
    temp,
    backup: (inputs: Record<string, string> = {}) => step(".", { path: "tree", ...inputs }),
    /** Into `restored`, which is removed when it was found to be equal to `tree`. */
    async restore(inputs: Record<string, string> = {}): Promise<Run> {
      const restored = path.join(workspace, "restored");
      const run = await step("restore", { path: "restored", ...inputs });
      if (inputs.include === undefined) expect(treeOf(restored)).toEqual(treeOf(tree));
      fs.rmSync(restored, { recursive: true });
      return run;
    },
  };
}

/** The one line of the log that says whether the cache was used. */
function cacheLine({ log }: Run): string {
  const lines = log.match(/^Cache: .*$/gm) ?? [];
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

describe.each([
  ["version 1", startCacheV1],
  ["version 2", () => startCacheV2()],
])("the cache of GitHub Actions, spoken to in %s of its protocol,", (_, start) => {
  let cache: TestCache;
  beforeAll(async () => {
    cache = await start();
  });
  afterAll(() => cache?.close());

  it("gives a restore what the backup gave it, even where the store cannot", async () => {
    const { backup, restore, name } = job(cache.env);
    const stored = await backup();
    expect(cacheLine(stored)).toBe("Cache: saved 1 volume, 2.4 MiB");
    if (cache.keys !== undefined) {
      expect(cache.keys()).toContain(`restbackup-${stored.outputs.entry}`);
    }
    // What the server has on its disk is of no use any more.
    expect(filesOf(name)).toHaveLength(1);
    for (const file of filesOf(name)) rot(file);
    const back = await restore();
    expect(back.outputs["cache-hit"]).toBe("true");
    expect(cacheLine(back)).toBe("Cache: used: all came from it");
  });

  it("holds each volume of a bigger backup", async () => {
    const { backup, restore } = job(cache.env);
    expect(cacheLine(await backup({ "volume-size": "1MiB" }))).toContain("saved 3 volumes");
    expect((await restore()).outputs["cache-hit"]).toBe("true");
  });

  it("is not believed when it holds other bytes of the same size", async () => {
    const { backup, restore } = job(cache.env);
    await backup();
    cache.poison((content) => {
      const changed = Buffer.from(content);
      changed[changed.length >> 1]! ^= 1;
      return changed;
    });
    const back = await restore();
    expect(back.outputs["cache-hit"]).toBe("false");
    expect(cacheLine(back)).toContain("not what the store took in");
  });

  // Such as GNU tar would unpack with the options that @actions/cache gives it.
  it("cannot write files of the runner", async () => {
    const { backup, restore, workspace } = job(cache.env);
    await backup();
    const target = path.join(workspace, "planted");
    fs.writeFileSync(target, "planted");
    const archive = execFileSync("tar", ["-czPf", "-", target], { stdio: "pipe" });
    fs.rmSync(target);
    cache.poison(() => archive);
    expect((await restore()).outputs["cache-hit"]).toBe("false");
    expect(fs.existsSync(target)).toBe(false);
  });

  it("is not asked where it was not wanted, and misses what it never got", async () => {
    const { backup, restore } = job(cache.env);
    expect((await backup({ cache: "false" })).log).not.toContain("Cache");
    const unasked = await restore({ cache: "false" });
    expect(unasked.log).not.toContain("Cache");
    expect(unasked.outputs["cache-hit"]).toBe("false");
    const missed = await restore();
    expect(missed.outputs["cache-hit"]).toBe("false");
    expect(cacheLine(missed)).toBe("Cache: not used: it holds no copy");
  });

  it("is left alone when only a part is restored", async () => {
    const { backup, restore } = job(cache.env);
    await backup();
    const part = await restore({ include: "hello.txt" });
    expect(part.outputs).toMatchObject({ files: "1", "cache-hit": "false" });
    expect(cacheLine(part)).toContain("include fetches only what it needs");
  });
});

describe.concurrent("a cache", () => {
  it.each([
    [1, "answers 500", /500/],
    [2, "answers 500", /500|did not answer within \d\d seconds/],
    [1, "cuts connections", /./],
    [2, "cuts connections", /./],
    [1, "never answers", /did not answer within \d\d seconds/],
    [2, "never answers", /did not answer within \d\d seconds/],
  ] as const)("of version %i that %s fails no step", async (version, fault, reason) => {
    const cache = await startBrokenCache(version, fault);
    try {
      const { backup, restore } = job(cache.env);
      const stored = await backup();
      expect(cacheLine(stored)).toMatch(/^Cache: not saved: /);
      expect(cacheLine(stored)).toMatch(reason);
      const back = await restore();
      expect(back.outputs["cache-hit"]).toBe("false");
      expect(cacheLine(back)).toMatch(/^Cache: not used: /);
      expect(cacheLine(back)).toMatch(reason);
      for (const run of [stored, back]) expect(cacheLine(run)).not.toContain("://");
    } finally {
      await cache.close();
    }
  });

  // Windows has no signals: there the runner's Ctrl-C reaches whole consoles only.
  it.skipIf(process.platform === "win32")(
    "that hangs does not keep a cancelled run, and leaves nothing behind",
    async () => {
      const cache = await startBrokenCache(2, "never answers");
      const { name, workspace, temp } = job(cache.env);
      let cancelled = 0;
      const onStart = (step: ChildProcess) => {
        const timer = setInterval(() => {
          // Stored: what the step waits for from now on is the cache.
          if (filesOf(name).length === 0) return;
          clearInterval(timer);
          cancelled = performance.now();
          step.kill("SIGINT");
        }, 50);
        step.on("close", () => clearInterval(timer));
      };
      try {
        const run = await runAction(".", {
          with: {
            "access-url": server.accessUrl,
            key: identity,
            name,
            path: "tree",
            cache: "true",
          },
          workspace,
          env: { RUNNER_TEMP: temp, ...cache.env },
          onStart,
        });
        expect(performance.now() - cancelled).toBeLessThan(8000);
        expect(run.exitCode).toBe(1);
        expect(run.annotations).toHaveLength(1);
        expect(run.annotations[0]!.message).toMatch(/cancelled/);
        expect(fs.readdirSync(temp)).toEqual([]);
      } finally {
        await cache.close();
      }
    },
  );

  it("that the runner does not offer fails no step", async () => {
    const { backup, restore } = job({});
    const nowhere = "this runner offers none to the step";
    expect(cacheLine(await backup())).toBe(`Cache: not saved: ${nowhere}`);
    expect(cacheLine(await restore())).toBe(`Cache: not used: ${nowhere}`);
  });
});

/** Other bytes, as a failing disk gives them: size and time are as they were. */
function rot(file: string): void {
  const { size, atime, mtime } = fs.statSync(file);
  fs.writeFileSync(file, randomBytes(size));
  fs.utimesSync(file, atime, mtime);
}

/** Files of the server with the content of objects of this name. */
function filesOf(name: string): string[] {
  const files = fs.readdirSync(server.archives, { recursive: true, withFileTypes: true });
  return (
    files
      .filter((file) => file.isFile() && file.name.startsWith(name))
      .map((file) => path.join(file.parentPath, file.name))
      // Beside each is a record of its digest.
      .filter((file) => fs.statSync(file).size > 100_000)
  );
}
