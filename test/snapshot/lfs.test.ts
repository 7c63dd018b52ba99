import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parsePointer } from "../../src/snapshot/lfs-pointers.ts";
import { requireProgram } from "../support/programs.ts";
import { contentsOf, SnapshotWorld, write } from "./world.ts";

let world: SnapshotWorld;

beforeAll(async () => {
  world = await new SnapshotWorld().start();
});
afterAll(() => world?.close());

const lfs = requireProgram("git-lfs", "objects of Git LFS are fetched and come back");

/** Objects of which one is in an old commit alone, and one in a branch alone. */
function createWithLfs(name: string): { old: string; now: string; branch: string } {
  const [old, now, branch] = [1, 2, 3].map((n) => world.lfsObject(randomBytes(n * 1000)));
  const work = world.createRepository(name);
  const commit = (file: string, content: string) => {
    write(work, file, content);
    world.git(work, "add", "-A");
    world.git(work, "commit", "-q", "-m", `Change ${file}`);
  };
  commit(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
  commit("big.bin", old!.pointer);
  commit("big.bin", now!.pointer);
  commit("small.txt", "x".repeat(500));
  world.git(work, "checkout", "-q", "-b", "other");
  commit("other.bin", branch!.pointer);
  world.git(work, "push", "-q", world.bare(name), "trunk", "other");
  return { old: old!.oid, now: now!.oid, branch: branch!.oid };
}

const layout = (oid: string) => path.join("lfs", "objects", oid.slice(0, 2), oid.slice(2, 4), oid);

describe.runIf(lfs)("a repository with Git LFS", () => {
  let oids: { old: string; now: string; branch: string };

  beforeAll(() => {
    oids = createWithLfs("octo/media");
  });

  test("has the objects of every commit and branch in its snapshot, laid out as git-lfs does", async () => {
    const { folder, lfs, incomplete } = await world.gather("octo/media");
    expect(incomplete).toEqual([]);
    expect(lfs).toEqual({ objects: 3, bytes: 6000 });
    const files = contentsOf(path.join(folder, "lfs"));
    expect(files.size).toBe(3);
    for (const oid of Object.values(oids)) {
      const stored = fs.readFileSync(world.server.lfsFile(oid));
      expect(fs.readFileSync(path.join(folder, layout(oid)))).toEqual(stored);
    }
    expect(contentsOf((await world.gather("octo/media")).folder)).toEqual(contentsOf(folder));
  });

  test("without --lfs has none", async () => {
    const { folder, incomplete } = await world.gather("octo/media", { lfs: false });
    expect(fs.existsSync(path.join(folder, "lfs"))).toBe(false);
    expect(incomplete).toEqual([]);
  });

  test("tells which objects the server no longer has, and keeps the others", async () => {
    const gone = createWithLfs("octo/gone");
    fs.rmSync(world.server.lfsFile(gone.now));
    const { folder, lfs, incomplete } = await world.gather("octo/gone");
    expect(lfs.objects).toBe(2);
    expect(incomplete).toEqual([
      {
        part: "lfs",
        reason: `1 of 3 Git LFS objects are missing; the server does not have them: ${gone.now}`,
      },
    ]);
    expect(fs.existsSync(path.join(folder, layout(gone.old)))).toBe(true);
    expect(fs.readFileSync(path.join(folder, "README.md"), "utf8")).toContain(gone.now);
  });

  test("counts an object whose content the server got wrong as missing", async () => {
    const wrong = createWithLfs("octo/wrong");
    const file = world.server.lfsFile(wrong.branch);
    const content = fs.readFileSync(file);
    content[7]! ^= 1;
    fs.writeFileSync(file, content);
    const { folder, incomplete } = await world.gather("octo/wrong");
    expect(incomplete).toMatchObject([{ part: "lfs", reason: expect.stringMatching(/^1 of 3/) }]);
    expect(fs.existsSync(path.join(folder, layout(wrong.branch)))).toBe(false);
  });

  test("gives its token to no other server that a file in it names", async () => {
    const other = await new SnapshotWorld().start();
    try {
      const work = world.createRepository("octo/elsewhere");
      const { pointer } = world.lfsObject(randomBytes(100));
      write(work, ".gitattributes", "*.bin filter=lfs -text\n");
      write(work, ".lfsconfig", `[lfs]\n\turl = ${other.server.url}/octo/x.git/info/lfs\n`);
      write(work, "big.bin", pointer);
      world.git(work, "add", "-A");
      world.git(work, "commit", "-q", "-m", "Look there");
      world.git(work, "push", "-q", world.bare("octo/elsewhere"), "trunk");
      const { incomplete } = await world.gather("octo/elsewhere");
      expect(other.server.requests.length).toBeGreaterThan(0);
      for (const { authorization } of other.server.requests) expect(authorization).toBeUndefined();
      expect(incomplete).toMatchObject([{ part: "lfs" }]);
    } finally {
      await other.close();
    }
  });
});

test("without git-lfs, its use is noticed, and what is missing is said", async () => {
  createWithLfs("octo/no-program");
  // A PATH with git and what git needs, and without git-lfs.
  const bin = world.folder("bin");
  for (const program of ["git", "sh"]) {
    const found = world.git(bin, "--exec-path").trim();
    const target = program === "git" ? path.join(found, "git") : "/bin/sh";
    fs.symlinkSync(target, path.join(bin, program));
  }
  const { incomplete, lfs } = await world.gather("octo/no-program", { env: { PATH: bin } });
  expect(lfs.objects).toBe(0);
  expect(incomplete).toEqual([
    {
      part: "lfs",
      reason: "The program git-lfs is not installed, so 3 Git LFS objects are missing.",
    },
  ]);
});

describe("a pointer", () => {
  const oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

  test("is read as the specification of git-lfs has it", () => {
    const lines = `oid sha256:${oid}\nsize 12345\n`;
    for (const version of [
      "https://git-lfs.github.com/spec/v1",
      "https://hawser.github.com/spec/v1",
    ]) {
      expect(parsePointer(`version ${version}\n${lines}`)).toEqual({ oid, size: 12345 });
    }
    const extended = `version https://git-lfs.github.com/spec/v1\next-0-foo sha256:${oid}\n${lines}`;
    expect(parsePointer(extended)).toEqual({ oid, size: 12345 });
    for (const other of ["", lines, `version https://example.com/v1\n${lines}`]) {
      expect(parsePointer(other)).toBeUndefined();
    }
  });

  test("is never taken from text that does not begin as one", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parsePointer(`# About\n${text}`)).toBeUndefined();
      }),
    );
  });
});
