import { beforeAll, describe, expect, test } from "vitest";
import { apiReference } from "../../scripts/api-reference.ts";
import * as library from "../../src/index.ts";
import { read, tableAfter } from "../docs/documents.ts";

const page = read("docs/api.md");
let made: string;

beforeAll(() => {
  made = apiReference();
}, 120_000);

/** Sections of the page by their headings of a level. */
function sections(level: "###" | "####"): Map<string, string> {
  const parts = made.split(new RegExp(`^${level} (?=.)`, "m")).slice(1);
  return new Map(parts.map((part) => [part.split("\n", 1)[0]!, part]));
}

/** What a section says before its members, in words. */
function words(section: string): string {
  const own = section
    .split(/^#{2,4} /m)[0]!
    .split("\n")
    .slice(1)
    .join("\n");
  return own
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .replaceAll(/^- .*(?:\n .*)*$/gm, "")
    .trim();
}

describe("docs/api.md", () => {
  test("is what the sources say now; otherwise: npm run docs:api", () => {
    expect(page).toBe(made);
  });

  test("describes every value that the library exports", () => {
    expect([...sections("###").keys()]).toEqual(expect.arrayContaining(Object.keys(library)));
  });

  test("says in words what every export and every method is", () => {
    const silent = [...sections("###"), ...sections("####")]
      .filter(([, section]) => words(section) === "")
      .map(([name]) => name);
    expect(silent).toEqual([]);
  });

  test("would notice an export without a docstring", () => {
    expect(
      words("size\n\n```ts\nconst size: number;\n```\n\n- `a`: one\n  two\n\n### b\n\nB."),
    ).toBe("");
    expect(words("size\n\n```ts\nconst size: number;\n```\n\nIn bytes.\n")).toBe("In bytes.");
  });

  test("shows an example of each kind of work", () => {
    expect(words(sections("###").get("list")!)).toContain("Example:");
    for (const name of ["backup", "restore", "verify", "list", "BackupApiClient", "encryptAge"]) {
      expect(sections("###").get(name)).toContain("Example:");
    }
  });
});

describe("docs/library.md", () => {
  test("explains every code that an error can have", () => {
    const type = sections("###").get("ErrorCode")!;
    const codes = [...type.matchAll(/^(?: \| )?"([a-z-]+)"/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(10);
    const rows = tableAfter(read("docs/library.md"), "| code | meaning");
    expect(rows.map(([code]) => code!.replaceAll("`", ""))).toEqual(codes);
  });
});
