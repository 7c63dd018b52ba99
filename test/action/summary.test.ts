import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backupSummary, code, restoreCommand, restoreSummary } from "../../src/action/summary.ts";
import type { BackupResult } from "../../src/operations/backup.ts";
import type { Changes } from "../../src/operations/changes.ts";
import type { RestoreResult } from "../../src/operations/restore.ts";

const entry = "website-20261123T094012Z.tar.zst.age";

const result: BackupResult = {
  entry,
  objects: [0, 1].map((index) => ({
    name: `${entry}.00${index}`,
    size: 150 * 2 ** 20,
    createtime: 1_795_426_812,
  })),
  size: 300 * 2 ** 20,
  sha256: "ab".repeat(32),
  createtime: 1_795_426_812,
  totals: { files: 1234, directories: 56, links: 1, bytes: 1200 * 2 ** 20 },
  warnings: [],
  authenticated: ["key"],
};
const where = { store: "https://backup.example/", name: "website", seconds: 42 };

describe("the summary of a backup", () => {
  it("says what is where, how much, how fast, and how to have it back", () => {
    const text = backupSummary(result, where);
    expect(text).toContain(`### Backup \`${entry}\``);
    expect(text).toContain("| Kept at | `https://backup.example/` |");
    expect(text).toContain("| Taken in | 2026-11-23 09:40:12Z |");
    expect(text).toContain("| Files | 1,234 (and 56 folders, 1 link) |");
    expect(text).toContain("| Size | 1.2 GiB, stored as 300 MiB (25 %) |");
    expect(text).toContain("| Volumes | 2 |");
    expect(text).toContain("| Time | 42 s, 28.6 MiB/s |");
    expect(text).toContain("| Authenticated | by the secret key |");
    expect(text).toContain(`\nnpx restbackup restore ${entry} --to ./website\n`);
    expect(text).not.toContain(":warning:");
  });

  const since = {
    entry: "website-20261122T094012Z.tar.zst.age",
    name: "website",
    createtime: 1_795_340_412,
    size: 297 * 2 ** 20,
    objects: [],
    complete: true,
  };

  it("says what changed since the backup before, as far as that can be told", () => {
    const counts = { added: 1200, changed: 3, removed: 0 };
    const rowOf = (changes: Changes) =>
      /^\| Changed \| (.*) \|$/m.exec(backupSummary(result, { ...where, changes }))?.[1];
    expect(rowOf({ since, storedMore: 3 * 2 ** 20, counts })).toBe(
      `1,200 added, 3 changed, 0 removed; 3.0 MiB more stored; since \`${since.entry}\``,
    );
    expect(rowOf({ since, storedMore: -812 })).toBe(`812 B less stored; since \`${since.entry}\``);
    const none = { added: 0, changed: 0, removed: 0 };
    expect(rowOf({ since, storedMore: 0, counts: none })).toBe(
      `nothing; as much stored; since \`${since.entry}\``,
    );
    expect(backupSummary(result, where)).not.toContain("Changed");
  });

  it("says plainly that nothing proves who wrote it, and what a restore then needs", () => {
    const text = backupSummary({ ...result, authenticated: [] }, where);
    expect(text).toContain("| Authenticated | **no**");
    expect(text).toContain("--allow-unauthenticated");
  });

  it("names the signer whom a restore has to trust", () => {
    const signed: BackupResult = { ...result, authenticated: ["signature"] };
    expect(restoreCommand(signed, "website", "restbackup-signer1abc")).toBe(
      `npx restbackup restore ${entry} --to ./website --trusted-signer restbackup-signer1abc`,
    );
  });

  it("names what could not be taken, fifty of them", () => {
    const warnings = Array.from({ length: 60 }, (_, index) => ({
      path: `file ${index}`,
      problem: "it *vanished*",
    }));
    const text = backupSummary({ ...result, warnings }, where);
    expect(text).toContain("- `file 49`: it \\*vanished\\*\n- and 10 more");
    expect(text).not.toContain("file 50");
  });

  it("renders hostile names as text: no cell, line, link or element of their own", () => {
    const hostile = "`a`|b ## c <img src=x> [d](e)";
    const text = backupSummary({ ...result, entry: hostile }, { ...where, name: "it's" });
    expect(text).toContain("### Backup `` `a`|b ## c <img src=x> [d](e) ``");
    expect(text.split("\n").filter((line) => line.startsWith("#"))).toHaveLength(1);
  });

  it("quotes the command for a shell", () => {
    expect(restoreCommand({ ...result, entry: "it's; rm -rf" }, "a b")).toBe(
      "npx restbackup restore 'it'\\''s; rm -rf' --to './a b'",
    );
  });

  it("fences any text in code, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("`", " ", "a", "\n") }), (text) => {
        const [, fence, inner] = /^(`*)([\s\S]*)\1$/.exec(code(text))!;
        const runs = inner!.match(/`+/g) ?? [];
        expect(runs.every((run) => run.length < fence!.length)).toBe(true);
      }),
    );
  });
});

describe("the summary of a restore", () => {
  const restored: RestoreResult = {
    archive: {
      entry,
      name: "website",
      createtime: 1_795_426_812,
      size: 300 * 2 ** 20,
      objects: [],
      complete: true,
    },
    index: {
      format: 1,
      archive: entry,
      created: "2026-11-23T09:40:12Z",
      writer: "restbackup/1.0.0",
      source: { paths: ["."], repository: "octo-org/website", ref: "refs/heads/a|b" },
      totals: result.totals,
      tarSize: 1_200_500_000,
      warnings: [],
    },
    authenticity: { by: "none" },
    to: "/home/runner/work/website",
    totals: result.totals,
    warnings: ["a.txt: its owner could not be set"],
  };

  it("says what came from where, and what is not as it was", () => {
    const text = restoreSummary(restored, { store: where.store, path: "out", seconds: 0.5 });
    expect(text).toContain(`### Restored \`${entry}\``);
    expect(text).toContain("| Made from | `octo-org/website` `refs/heads/a\\|b` |");
    expect(text).toContain("| Into | `out` |");
    expect(text).toContain("| Size | 1.2 GiB, from 300 MiB stored |");
    expect(text).toContain("| Time | 0.5 s |");
    expect(text).toContain("| Authenticated | **no**: restored because");
    expect(text).toContain("- a\\.txt\\: its owner could not be set");
  });
});
