import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(ROOT, "node_modules", ".bin", name);

let work: string;
let tarball: string;
let files: readonly string[];

/** What a user has after `npm install restbackup`: the very package, with what it depends on. */
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "restbackup-test-package-"));
  // Packed from a copy: the folder of the library's build is not the tests' to write.
  const source = join(work, "source");
  mkdirSync(source);
  for (const name of [
    "package.json",
    "tsconfig.json",
    "tsconfig.lib.json",
    "src",
    "dist",
    "docs",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
  ]) {
    cpSync(join(ROOT, name), join(source, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(source, "node_modules"));
  execFileSync(bin("tsc"), ["-p", "tsconfig.lib.json"], { cwd: source });
  const packed = execFileSync(
    "npm",
    ["pack", "--ignore-scripts", "--json", "--pack-destination", work],
    {
      cwd: source,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const [made] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  tarball = join(work, made.filename);
  files = made.files.map(({ path }) => path);
  const installed = join(work, "app", "node_modules", "restbackup");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["xf", tarball, "--strip-components=1", "-C", installed]);
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(work, "app", "node_modules", name, ".."), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(work, "app", "node_modules", name));
  }
}, 120_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs a script in the folder of an app that installed the package. */
function inApp(name: string, script: string) {
  const temporary = mkdtempSync(join(work, "tmp-"));
  writeFileSync(join(work, "app", name), script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [name], {
    cwd: join(work, "app"),
    // Where nobody else leaves anything meanwhile.
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const ROUND_TRIP = `
  const { identity } = await generateIdentity();
  const key = await parseKey(identity);
  await mkdir("tree/folder", { recursive: true });
  await writeFile("tree/folder/file.txt", "as it was");
  const store = await openStore(pathToFileURL("store").href, { create: true });
  const seen = [];
  const made = await backup({
    store, key, name: "app", paths: ["tree"], cwd: process.cwd(),
    onProgress: ({ phase }) => { if (seen.at(-1) !== phase) seen.push(phase); },
  });
  await verify({ store, key, entry: made.entry });
  await restore({ store, key, name: "app", to: "back" });
  await store.close();
  console.log(await readFile("back/folder/file.txt", "utf8"), made.totals.files, seen.includes("packing"));
`;

describe("the published package", () => {
  test("holds the programs, the library with its types, the documents, and nothing else", () => {
    const expected =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|dist\/[\w.-]+|docs\/[\w./-]+\.md|lib\/[\w./-]+\.(js|d\.ts))$/;
    expect(files.filter((path) => !expected.test(path))).toEqual([]);
    for (const path of ["dist/cli.js", "dist/LICENSES.txt", "lib/index.js", "lib/index.d.ts"]) {
      expect(files).toContain(path);
    }
  });

  test("is what publint and are-the-types-wrong find nothing wrong with", () => {
    const lint = spawnSync(bin("publint"), [tarball, "--strict"], { encoding: "utf8" });
    expect([lint.status, lint.stdout]).toEqual([0, expect.stringContaining("All good!")]);
    // An ES module for CommonJS too, which every Node it runs on can require.
    const types = spawnSync(bin("attw"), [tarball, "--ignore-rules", "cjs-resolves-to-esm"], {
      encoding: "utf8",
    });
    expect([types.status, types.stdout]).toEqual([0, expect.stringContaining("No problems found")]);
  });

  test("backs up, verifies and restores from an ES module", () => {
    const { status, stdout, stderr } = inApp(
      "main.mjs",
      `import { backup, generateIdentity, openStore, parseKey, restore, verify } from "restbackup";
       import { mkdir, readFile, writeFile } from "node:fs/promises";
       import { pathToFileURL } from "node:url";
       ${ROUND_TRIP}`,
    );
    expect(stderr).toBe("");
    expect([status, stdout]).toEqual([0, "as it was 1 true\n"]);
  });

  test("can be required", () => {
    const { status, stdout } = inApp(
      "main.cjs",
      `const { RestbackupError, BackupApiClient } = require("restbackup");
       try { new BackupApiClient("https://nonsense"); } catch (error) {
         console.log(error instanceof RestbackupError, error.code);
       }`,
    );
    expect([status, stdout]).toEqual([0, "true usage\n"]);
  });

  test("does nothing when it is imported: no handle, no file, no output", () => {
    const { status, stdout, stderr } = inApp(
      "idle.mjs",
      `import { readdirSync } from "node:fs";
       import { tmpdir } from "node:os";
       // Node lists the pipes to its parent now and then.
       const names = () => process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap").sort().join();
       const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
       const traces = () => JSON.stringify({
         names: names(), listeners: listeners(), globals: Reflect.ownKeys(globalThis).map(String),
         environment: process.env, files: readdirSync(".").concat(readdirSync(tmpdir())),
       });
       const before = traces();
       await import("restbackup");
       // What loading the modules took is over a little later.
       await new Promise((done) => setTimeout(done, 50));
       const after = traces();
       console.log(after === before ? "same" : before + after);`,
    );
    expect([status, stdout.trim(), stderr]).toEqual([0, "same", ""]);
  });

  test("costs a bundle only what is used of it", async () => {
    const bundle = async (code: string) => {
      const { outputFiles } = await build({
        stdin: { contents: code, resolveDir: join(work, "app") },
        ...{ bundle: true, write: false, minify: true, platform: "node", format: "esm" },
        logLevel: "silent",
      });
      return outputFiles[0]!.text;
    };
    const small = await bundle(
      'import { RestbackupError } from "restbackup"; console.log(RestbackupError);',
    );
    expect(small.length).toBeLessThan(1000);
    const streams = await bundle(
      'import { encryptChlorocrypt } from "restbackup"; console.log(encryptChlorocrypt);',
    );
    expect(streams.length).toBeLessThan(10_000);
    expect(await bundle('import "restbackup";')).toHaveLength(0);
  });

  test("says where it is from, and asks npm to state which build made it", () => {
    const about = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(about).toMatchObject({
      sideEffects: false,
      publishConfig: { access: "public", provenance: true },
      repository: { type: "git", url: expect.stringMatching(/^git\+https:\/\/.*\.git$/) },
    });
    const { jobs } = parse(readFileSync(join(ROOT, ".github/workflows/release.yml"), "utf8"));
    // Without this permission there is no provenance; the job that has it runs nothing else.
    expect(jobs.publish.permissions).toEqual({ contents: "read", "id-token": "write" });
    expect(jobs.test.permissions).toBeUndefined();
    expect(jobs.publish.needs).toBe("test");
    const lines = jobs.publish.steps.flatMap(({ run }: { run?: string }) => run ?? []);
    expect(lines).toEqual(["npm ci", "npm publish"]);
  });

  test("is typed strictly", () => {
    writeFileSync(
      join(work, "app", "typed.mts"),
      `import { BackupApiClient, type BackupResult, RestbackupError, list } from "restbackup";
       const client: BackupApiClient = new BackupApiClient("https://a:b@host/", { env: {} });
       export const entries: Promise<readonly { entry: string }[]> = list({ store: client.store });
       export const size = (result: BackupResult): number => result.size;
       export const code = (error: RestbackupError): string => error.code;
       // @ts-expect-error: a name is needed
       await client.put();
       `,
    );
    const { status, stdout } = spawnSync(
      bin("tsc"),
      [
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2024",
        "--lib",
        "es2024,dom,dom.iterable,esnext",
        "--skipLibCheck",
        "--types",
        "",
        "typed.mts",
      ],
      { cwd: join(work, "app"), encoding: "utf8" },
    );
    expect([status, stdout]).toEqual([0, ""]);
  });
});
