import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { World } from "./world.ts";

describe("--json", () => {
  const world = new World();
  let entry: string;
  beforeAll(async () => {
    const made = await world.json(["backup", "website"]);
    entry = made.entry;
    expect(made).toEqual({
      entry: expect.stringMatching(/^website-\d{8}T\d{6}Z\.tar\.zst\.age$/),
      name: "website",
      store: expect.stringMatching(/^file:\/\/\//),
      createtime: expect.any(Number),
      size: expect.any(Number),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      totals: { files: 2, directories: 2, links: 2, bytes: 20 },
      objects: [expect.objectContaining({ name: made.entry, size: made.size })],
      authenticated: ["key"],
      warnings: [],
      seconds: expect.any(Number),
      keyFile: world.keyFile,
      keyCreated: true,
      restore: expect.stringContaining(`restbackup restore ${made.entry}`),
    });
  });
  afterAll(() => world.remove());

  test("lists backups, before the command's name as well as after it", async () => {
    const { code, stdout, stderr } = await world.run(["--json", "list"]);
    expect([code, stderr]).toEqual([0, ""]);
    const listed = JSON.parse(stdout);
    expect(listed.entries).toEqual([
      {
        entry,
        name: "website",
        createtime: expect.any(Number),
        size: expect.any(Number),
        volumes: 1,
        complete: true,
      },
    ]);
  });

  test("shows what is inside", async () => {
    const shown = await world.json(["show"]);
    expect(shown.entry).toBe(entry);
    expect(shown.authenticity).toEqual({ by: "key" });
    expect(shown.source).toEqual({ paths: ["website"] });
    expect(shown.entries.map(({ path }) => path)).toEqual([
      ".",
      "docs",
      "docs/a b.txt",
      "index.html",
      "link",
      "same.html",
    ]);
  });

  test("says what was restored, and what was verified", async () => {
    const restored = await world.json(["restore", "--to", "out"]);
    expect(restored).toMatchObject({
      entry,
      to: `${world.work}/out`,
      totals: { files: 2, directories: 2, links: 2, bytes: 20 },
      authenticity: { by: "key" },
      warnings: [],
      backupWarnings: [],
    });
    const verified = await world.json(["verify"]);
    expect(verified).toMatchObject({ entry, totals: restored.totals });
  });

  test("makes errors JSON, on stderr alone", async () => {
    for (const [args, code, exit] of [
      [["restore", "--name", "other"], "not-found", 3],
      [["list", "--bogus"], "usage", 2],
      [["backup"], "usage", 2],
    ] as const) {
      const failed = await world.run([...args, "--json"]);
      expect(failed.code).toBe(exit);
      expect(failed.stdout).toBe("");
      expect(JSON.parse(failed.stderr)).toEqual({
        error: { code, message: expect.any(String), hint: expect.any(String) },
      });
    }
  });
});
