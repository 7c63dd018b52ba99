import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encryptChlorocrypt } from "../../src/encryption/chlorocrypt.ts";
import { makeDailyChain } from "../operations/legacy-chain.ts";
import { installPackage } from "../support/installed-package.ts";
import { requireProgram } from "../support/programs.ts";
import { type CodeBlock, docstringBlocks, documentBlocks } from "./code-blocks.ts";
import { CommandWorld } from "./command-world.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import { SCENARIOS } from "./scenarios.ts";

const run = promisify(execFile);
const TSC = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

/** Whole workflows are run by test/end-to-end/gallery.test.ts, and checked by readme.test.ts. */
const blocks = documentBlocks().filter(({ language }) => language !== "yaml");
const isScript = ({ language }: CodeBlock) => /^(?:ts|typescript|js|javascript)$/.test(language);
const scripts = [...blocks.filter(isScript), ...docstringBlocks()];
const commands = blocks.filter((block) => !isScript(block));
const scenarioOf = ({ file, first }: CodeBlock) => SCENARIOS[file]?.[first];
const elsewhere = ({ file, first }: CodeBlock) =>
  ELSEWHERE[file]?.["*"] ?? ELSEWHERE[file]?.[first];

const hasAge = requireProgram("age", "the README's commands open archives with stock tools");
const hasTar = requireProgram("tar", "the examples for older archives work");

let world: CommandWorld;
beforeAll(async () => {
  world = await new CommandWorld().start();
});
afterAll(() => world.close());

describe("every example", () => {
  it("is run here, or is known to another test", () => {
    const unknown = commands.filter(
      (block) => scenarioOf(block) === undefined && elsewhere(block) === undefined,
    );
    expect(unknown.map(({ file, first }) => `${file}: ${first}`)).toEqual([]);
    expect(commands.filter((block) => scenarioOf(block) && elsewhere(block))).toEqual([]);
  });

  it("that is listed stands in a document, and the tests that are named exist", () => {
    const there = new Set(commands.map(({ file, first }) => `${file}: ${first}`));
    for (const lists of [SCENARIOS, ELSEWHERE]) {
      for (const [file, known] of Object.entries(lists)) {
        const gone = Object.keys(known).filter((first) => !there.has(`${file}: ${first}`));
        expect(gone.filter((first) => first !== "*")).toEqual([]);
      }
    }
    const named = JSON.stringify(ELSEWHERE).match(/(?:test\/[\w/.-]+\.test\.ts|\.ci\/run)/g)!;
    for (const file of named)
      expect(fs.existsSync(new URL(`../../${file}`, import.meta.url))).toBe(true);
  });

  it("is found: in code fences, indented, and in docstrings", () => {
    const files = new Set([...scripts, ...commands].map(({ file }) => file));
    expect([...files]).toEqual(
      expect.arrayContaining(["README.md", "docs/library.md", "src/operations/backup.ts"]),
    );
    expect(scripts.length).toBeGreaterThan(15);
  });
});

describe.runIf(hasAge && hasTar)("the commands", () => {
  const ours = commands.filter((block) => scenarioOf(block) !== undefined);

  it.each(ours.map((block) => [block.file, block.first, block] as const))(
    "of %s do what they are there for: %s",
    async (_file, _first, block) => {
      await scenarioOf(block)!(world, block.text);
    },
  );
});

describe.runIf(hasTar)("the scripts", () => {
  let app: string;

  beforeAll(async () => {
    app = world.empty();
    installPackage(app);
    fs.writeFileSync(path.join(app, "package.json"), '{"type":"module"}');
    await stock(app);
  });

  it("are typed strictly", async () => {
    scripts.forEach(({ text }, index) => {
      fs.writeFileSync(path.join(app, `example-${index}.ts`), `${text}\nexport {};\n`);
    });
    const options = {
      ...{ noEmit: true, strict: true, skipLibCheck: true, exactOptionalPropertyTypes: true },
      ...{ module: "nodenext", target: "esnext", lib: ["esnext"], types: ["node"] },
    };
    const config = { compilerOptions: options, include: ["example-*.ts"] };
    fs.writeFileSync(path.join(app, "tsconfig.json"), JSON.stringify(config));
    const checked = run(process.execPath, [TSC, "-p", app], { cwd: app });
    expect(await checked.catch(({ stdout }: { stdout: string }) => ({ stdout }))).toMatchObject({
      stdout: "",
    });
  });

  it.each(scripts.map(({ file, first }, index) => [file, first, index] as const))(
    "of %s run: %s",
    async (_file, _first, index) => {
      const script = path.join(app, `run-${index}.ts`);
      fs.writeFileSync(script, scripts[index]!.text);
      const { caFile, accessUrl } = world.server;
      const env = {
        ...{ PATH: process.env.PATH, HOME: world.home, NODE_EXTRA_CA_CERTS: caFile },
        ...{ RESTBACKUP_ACCESS_URL: accessUrl, RESTBACKUP_KEY: world.identity },
      };
      await run(process.execPath, [script], { cwd: app, env });
    },
  );
});

/** Puts into the folder, and on the server, what the examples take for granted. */
async function stock(app: string): Promise<void> {
  const { server } = world;
  world.website(path.join(app, "public"));
  await world.run("restbackup backup ~/website --key-file key.txt");
  const old = encryptChlorocrypt([Buffer.from("an old file")], "correct horse battery staple");
  fs.writeFileSync(
    path.join(app, "old.tar.gz.chlorocrypt"),
    Buffer.concat(await Array.fromAsync(old)),
  );
  const { folder, names } = await makeDailyChain(world.empty());
  for (const name of names.slice(0, 3)) {
    const photos = name.replace("website", "photos");
    fs.copyFileSync(path.join(folder, name), path.join(server.archives, photos));
  }
}
