import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SnapshotWorld, write } from "../snapshot/world.ts";
import { requireProgram } from "../support/programs.ts";
import { World } from "./world.ts";

const lfs = requireProgram("git-lfs", "git-lfs trusts the certificates that Node was told to");

describe.concurrent("with a repository on a server", () => {
  const world = new World();
  const github = new SnapshotWorld();
  let env: Record<string, string>;

  beforeAll(async () => {
    await github.start();
    world.hide(github.token);
    github.createRepository("octo/website");
    github.createRepository("octo/website.wiki");
    github.createRepository("octo/private-wiki");
    github.createRepository("octo/private-wiki.wiki");
    github.server.forbidden.add("octo/private-wiki.wiki");
    env = { GITHUB_SERVER_URL: github.server.url, GITHUB_TOKEN: github.token };
  });
  afterAll(async () => {
    await github.close();
    world.remove();
  });

  test("a snapshot goes into the store, and comes back with its bundle", async () => {
    const made = await world.json(["snapshot", "octo/website", "--no-metadata"], { env });
    expect(made.entry).toMatch(/^website-snapshot-\d{8}T\d{6}Z\.tar\.zst\.age$/);
    expect(made).toMatchObject({ head: "refs/heads/trunk", wiki: true, incomplete: [] });
    const { code } = await world.run(["restore", made.entry, "--to", "back"]);
    expect(code).toBe(0);
    expect(readdirSync(join(world.work, "back")).sort()).toEqual([
      "README.md",
      "refs.json",
      "repository.bundle",
      "snapshot.json",
      "wiki.bundle",
    ]);
    const { stdout } = await world.run(["show", made.entry]);
    expect(stdout).toContain(`octo/website refs/heads/trunk ${made.commit}`);
    expect(readdirSync(world.temporary)).toEqual([]);
  });

  test("--to writes a folder and needs no store, and leaves one that holds something alone", async () => {
    const args = ["snapshot", "octo/website", "--no-metadata", "--no-wiki", "--to", "files"];
    const { code, stdout } = await world.run(args, { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Wrote octo\/website to .*files\n/);
    const files = readdirSync(join(world.work, "files"));
    expect(files).toContain("repository.bundle");
    expect(files).not.toContain("wiki.bundle");
    expect(files).not.toContain(".scratch");
    const again = await world.run(args, { env });
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("is not empty")]);
  });

  test("the token may stand in a file", async () => {
    const file = world.file("token.txt", `${github.token}\n`);
    const options = ["--no-metadata", "--to", "with-file", "--token-file", file];
    const { code, stderr } = await world.run(["snapshot", "octo/website", ...options], {
      env: { ...env, GITHUB_TOKEN: "" },
    });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("warning")]);
  });

  test("a wiki that may not be read is a warning, and with --strict exit code 9 and no folder", async () => {
    const args = ["snapshot", "octo/private-wiki", "--no-metadata", "--to"];
    const { code, stderr } = await world.run([...args, "lax"], { env });
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining("warning: wiki: The server refuses to show the wiki to this token."),
    ]);
    const readme = readFileSync(join(world.work, "lax", "README.md"), "utf8");
    expect(readme).toContain("- `wiki`: The server refuses");
    const strict = await world.run([...args, "strict", "--strict"], { env });
    expect(strict.code).toBe(9);
    expect(strict.stderr).toContain("The snapshot would not be whole. wiki: ");
    expect(existsSync(join(world.work, "strict"))).toBe(false);
  });

  test("a server with a certificate of its own is trusted as Node is told to, by git-lfs too", async () => {
    const enterprise = new SnapshotWorld();
    const { caFile } = await enterprise.startTls();
    try {
      world.hide(enterprise.token);
      const work = enterprise.createRepository("octo/inside");
      write(work, "big.bin", enterprise.lfsObject(Buffer.alloc(1000, "x")).pointer);
      enterprise.git(work, "add", "-A");
      enterprise.git(work, "commit", "-q", "-m", "Add media");
      enterprise.git(work, "push", "-q", enterprise.bare("octo/inside"), "trunk");
      const options = ["--no-metadata", ...(lfs ? ["--strict"] : ["--no-lfs"])];
      const args = ["snapshot", "octo/inside", ...options, "--to"];
      const env = { GITHUB_SERVER_URL: enterprise.server.url, GITHUB_TOKEN: enterprise.token };
      const trusting = { ...env, NODE_EXTRA_CA_CERTS: caFile };
      expect((await world.run([...args, "trusted"], { env: trusting })).code).toBe(0);
      const { code, stderr } = await world.run([...args, "strange"], { env });
      expect([code, stderr]).toEqual([1, expect.stringMatching(/certificate/)]);
    } finally {
      await enterprise.close();
    }
  });

  test("a repository that is not there: 3, with what the token needs", async () => {
    const args = ["snapshot", "octo/none", "--no-metadata", "--to", "none"];
    const { code, stderr } = await world.run(args, { env });
    expect(code).toBe(3);
    expect(stderr).toContain("There is no repository octo/none at http://127.0.0.1:");
    expect(stderr).toContain("read contents");
    expect(existsSync(join(world.work, "none"))).toBe(false);
  });

  test("what is no repository, no server or no token: 2, and no token is shown", async () => {
    for (const name of [
      "website",
      "octo/website/x",
      "octo/..",
      "../octo",
      "https://github.com/a/b",
    ]) {
      const { code, stderr } = await world.run(["snapshot", name, "--no-metadata"], { env });
      expect([name, code, stderr]).toEqual([name, 2, expect.stringContaining("is not OWNER/REPO")]);
    }
    const url = world.hide("hunter2hunter2");
    const refused = [
      { ...env, GITHUB_TOKEN: "" },
      { ...env, GITHUB_TOKEN: `${github.token}\nx` },
      { ...env, GITHUB_SERVER_URL: `https://ada:${url}@github.com` },
      { ...env, GITHUB_SERVER_URL: "github.com" },
    ];
    for (const env of refused) {
      const { code } = await world.run(["snapshot", "octo/website", "--no-metadata"], { env });
      expect(code).toBe(2);
    }
  });
});
