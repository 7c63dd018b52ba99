import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backupInputs, restoreInputs, verifyInputs } from "../../src/action/inputs.ts";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { generateSigningKey } from "../../src/encryption/signing.ts";
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
const verify = (inputs: Record<string, string> = {}) => {
  given({ "access-url": URL_, key: "correct horse battery", ...inputs });
  return verifyInputs();
};

describe("the inputs", () => {
  it.each([
    [".", backup],
    ["restore", restore],
    ["verify", verify],
  ] as const)("of %s/action.yml are all read, and no others", async (folder, parse) => {
    const real = process.env;
    const read = new Set<string>();
    process.env = new Proxy(real, {
      get(target, name) {
        if (String(name).startsWith("INPUT_")) read.add(String(name));
        return target[String(name)];
      },
    });
    try {
      await parse();
    } finally {
      process.env = real;
    }
    const declared = Object.keys(readManifest(folder).inputs);
    expect([...read].sort()).toEqual(declared.map((name) => `INPUT_${name.toUpperCase()}`).sort());
  });

  it("may all be left empty but the secrets and path", async () => {
    expect(await backup()).toMatchObject({
      name: "website",
      ifNoFilesFound: "error",
      level: undefined,
      volumeSize: undefined,
      cwd: path.resolve("workspace"),
    });
    expect(await restore()).toMatchObject({
      name: "website",
      at: undefined,
      to: path.resolve("workspace"),
      include: undefined,
      allowUnauthenticated: false,
      overwrite: false,
      ifNotFound: "error",
    });
  });

  it("take several lines, whatever ends them", async () => {
    const lines = "  src/**\r\n!src/*.tmp\n\n docs \r\n";
    expect(await backup({ path: lines, exclude: lines })).toMatchObject({
      paths: ["src/**", "!src/*.tmp", "docs"],
      exclude: ["src/**", "!src/*.tmp", "docs"],
    });
    expect((await restore({ include: lines })).include).toEqual(["src/**", "!src/*.tmp", "docs"]);
  });

  it("read keys of every kind", async () => {
    const { identity, recipient } = await generateIdentity();
    const { signingKey, signer } = generateSigningKey();
    const inputs = await backup({
      key: identity,
      recipients: `${recipient}\r\n${recipient}`,
      "signing-key": signingKey,
    });
    expect(inputs.key?.recipients).toEqual([{ text: recipient }]);
    expect(inputs.recipients).toEqual([{ text: recipient }]);
    expect(inputs.signingKey?.signer).toBe(signer);
    expect((await restore({ "trusted-signers": signer })).trustedSigners).toEqual([
      { text: signer },
    ]);
  });

  it.each(["true", "True", "TRUE"])("take %s for true, as YAML does", async (text) => {
    expect((await restore({ overwrite: text })).overwrite).toBe(true);
  });

  it.each(["yes", "on", "1", "tRUE"])("do not guess what %s means", async (text) => {
    const message = `The input overwrite cannot be "${text}".`;
    await expect(restore({ overwrite: text })).rejects.toThrow(message);
  });

  it.each(["1", "9", "10", "11", "19"])("take %s as a compression level", async (text) => {
    expect((await backup({ "compression-level": text })).level).toBe(Number(text));
  });

  it.each(["0", "20", "100", "-1", "3.5", "fast"])("refuse %s as a level", async (text) => {
    await expect(backup({ "compression-level": text })).rejects.toThrow("compression-level");
  });

  it.each<[() => Promise<unknown>, string]>([
    [() => backup({ "volume-size": "big" }), "The input volume-size: "],
    [() => backup({ "if-no-files-found": "fail" }), "The input if-no-files-found "],
    [() => backup({ path: " \n " }), "The input path is empty."],
    [() => backup({ key: "short" }), "The input key: "],
    [() => backup({ recipients: "age1x" }), "The input recipients: "],
    [() => backup({ "signing-key": "x" }), "The input signing-key: "],
    [() => restore({ "trusted-signers": "x" }), "The input trusted-signers: "],
    [() => restore({ at: "yesterday" }), "The input at: "],
    [
      () => restore({ at: "2026-11-23", entry: "x" }),
      "The inputs entry and at exclude each other.",
    ],
  ])("are named when they cannot be read: %#", async (parse, message) => {
    await expect(parse()).rejects.toThrow(message);
  });

  it.each<[() => Promise<unknown>, string]>([
    [() => backup({ "access-url": "" }), "The input access-url is empty."],
    [() => backup({ key: "" }), "Both inputs key and recipients are empty."],
    [() => restore({ key: "" }), "The input key is empty."],
  ])("say what an empty secret usually means: %#", async (parse, message) => {
    const hint = expect.stringContaining("forks");
    await expect(parse()).rejects.toMatchObject({ code: "usage", message, hint });
  });

  it("are hidden first where they are secret, even when they are no good", async () => {
    await expect(backup({ "signing-key": "seed", path: "" })).rejects.toThrow();
    const masks = printed.map((line) => /^::add-mask::(.*)\r?\n$/.exec(line)?.[1]);
    for (const secret of [URL_, "a1b2c3d4", "s3cr3tpassword", "correct horse battery", "seed"]) {
      expect(masks).toContain(secret);
    }
  });
});
