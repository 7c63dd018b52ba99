import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backupInputs, restoreInputs } from "../../src/action/inputs.ts";
import { readManifest } from "../end-to-end/harness.ts";

const URL_ = "https://a1b2c3d4:s3cr3tpassword@backup.example/";
const printed: string[] = [];

beforeEach(() => {
  printed.length = 0;
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  vi.stubEnv("GITHUB_WORKSPACE", path.resolve("workspace"));
  vi.stubEnv("GITHUB_REPOSITORY", "octo-org/website");
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Sets inputs as a runner does. */
function given(inputs: Record<string, string>): void {
  for (const [name, value] of Object.entries(inputs)) {
    vi.stubEnv(`INPUT_${name.toUpperCase()}`, value);
  }
}

const backup = (inputs: Record<string, string> = {}) => {
  given({ "access-url": URL_, key: "correct horse battery", path: ".", ...inputs });
  return backupInputs();
};
const restore = (inputs: Record<string, string> = {}) => {
  given({ "access-url": URL_, key: "correct horse battery", ...inputs });
  return restoreInputs();
};

describe("the inputs", () => {
  it.each([
    [".", backup],
    ["restore", restore],
  ] as const)("of %s/action.yml are all read, and no others", (folder, parse) => {
    const real = process.env;
    const read = new Set<string>();
    process.env = new Proxy(real, {
      get(target, name) {
        if (String(name).startsWith("INPUT_")) read.add(String(name));
        return target[String(name)];
      },
    });
    try {
      parse();
    } finally {
      process.env = real;
    }
    const declared = Object.keys(readManifest(folder).inputs);
    expect([...read].sort()).toEqual(declared.map((name) => `INPUT_${name.toUpperCase()}`).sort());
  });

  it("have the defaults that action.yml states, when an old workflow leaves them empty", () => {
    expect(backup()).toMatchObject({
      name: "website",
      ifNoFilesFound: "error",
      compressionLevel: 3,
      volumeSize: undefined,
      workspace: path.resolve("workspace"),
    });
    expect(restore()).toMatchObject({
      selector: { name: "website" },
      to: path.resolve("workspace"),
      allowUnauthenticated: false,
      overwrite: false,
      ifNotFound: "error",
    });
  });

  it("take several lines, whatever ends them", () => {
    const lines = "  src/**\r\n!src/*.tmp\n\n docs \r\n";
    expect(backup({ path: lines, exclude: lines })).toMatchObject({
      path: ["src/**", "!src/*.tmp", "docs"],
      exclude: ["src/**", "!src/*.tmp", "docs"],
    });
    expect(restore({ include: lines }).include).toEqual(["src/**", "!src/*.tmp", "docs"]);
  });

  it.each(["true", "True", "TRUE"])("take %s for true, as YAML does", (text) => {
    expect(restore({ overwrite: text }).overwrite).toBe(true);
  });

  it.each(["yes", "on", "1", "tRUE"])("do not guess what %s means", (text) => {
    expect(() => restore({ overwrite: text })).toThrow(`The input overwrite cannot be "${text}".`);
  });

  it.each(["1", "9", "10", "11", "19"])("take %s as a compression level", (text) => {
    expect(backup({ "compression-level": text }).compressionLevel).toBe(Number(text));
  });

  it.each(["0", "20", "100", "-1", "3.5", "fast"])("refuse %s as a compression level", (text) => {
    expect(() => backup({ "compression-level": text })).toThrow("compression-level");
  });

  it("are named when they cannot be read", () => {
    expect(() => backup({ "volume-size": "big" })).toThrow("The input volume-size: ");
    expect(() => backup({ "if-no-files-found": "fail" })).toThrow("if-no-files-found");
    expect(() => backup({ path: " \n " })).toThrow("The input path is empty.");
    expect(() => restore({ at: "yesterday" })).toThrow("The input at: ");
    expect(() => restore({ at: "2026-11-23", entry: "x" })).toThrow("exclude each other");
  });

  it("say what an empty secret usually means", () => {
    for (const parse of [() => backup({ "access-url": "" }), () => restore({ key: "" })]) {
      expect(parse).toThrow(
        expect.objectContaining({ code: "usage", hint: expect.stringContaining("forks") }),
      );
    }
    expect(() => backup({ key: "" })).toThrow("Both inputs key and recipients are empty.");
  });

  it("are hidden first where they are secret, even when they are no good", () => {
    expect(() => backup({ "signing-key": "seed", path: "" })).toThrow();
    const masks = printed.map((line) => /^::add-mask::(.*)\r?\n$/.exec(line)?.[1]);
    for (const secret of [URL_, "a1b2c3d4", "s3cr3tpassword", "correct horse battery", "seed"]) {
      expect(masks).toContain(secret);
    }
  });
});
