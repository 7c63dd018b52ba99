import { execFileSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { buildProgram } from "../../src/cli/program.ts";
import { VERSION } from "../../src/version.ts";
import { World } from "./world.ts";

const MODULE = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

const LOADED = MODULE(`
  import { registerHooks } from "node:module";
  const loaded = [];
  registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
  process.on("exit", () => console.error(loaded.join("\\n")));
`);

const oldNode = (version: string) =>
  MODULE(`Object.defineProperty(process, "versions", { value: { node: "${version}" } });`);

describe.concurrent("before any work", () => {
  const world = new World();
  afterAll(() => world.remove());

  test("--version answers without loading the operations, the HTTP client or age", async () => {
    const { code, stdout, stderr } = await world.run(["--version"], { node: ["--import", LOADED] });
    expect(code).toBe(0);
    expect(stdout).toBe(`${VERSION}\n`);
    expect(stderr).toContain("/src/cli/program.ts");
    expect(stderr).not.toMatch(
      /undici|operations|age-encryption|picomatch|stores\/(open|directory)/,
    );
  });

  test("an old Node gets one sentence, whatever was asked for", async () => {
    for (const version of ["20.19.5", "22.18.0"]) {
      const node = ["--import", oldNode(version), "--import", LOADED];
      const { code, stdout, stderr } = await world.run(["--version"], { node });
      expect([code, stdout]).toEqual([1, ""]);
      const [sentence, ...loaded] = stderr.trim().split("\n");
      expect(sentence).toBe(
        `restbackup: This is Node ${version}; restbackup needs Node 22.19 or later.`,
      );
      // Nothing was loaded that an old Node could stumble over.
      expect(loaded.filter((url) => url.startsWith("file:"))).toHaveLength(1);
    }
    const node = ["--import", oldNode("22.19.0")];
    expect((await world.run(["--version"], { node })).code).toBe(0);
  });

  test("a command is made by its name alone, as it is among all of them", () => {
    const program = (only?: string) =>
      buildProgram(
        () => {
          throw new Error("help does no work");
        },
        undefined,
        only,
      );
    const all = program().commands;
    for (const command of all) {
      const name = command.name();
      const alone = program(name).commands;
      // A completion script tells of all.
      if (name !== "completion") expect(alone.map((one) => one.name())).toEqual([name]);
      const found = alone.find((one) => one.name() === name);
      expect(found?.helpInformation()).toBe(command.helpInformation());
    }
    expect(program("toString").commands).toHaveLength(all.length);
  });

  test("every command has help with examples, and every option is explained", () => {
    const program = buildProgram(() => {
      throw new Error("help does no work");
    });
    const commands = [
      program,
      ...program.commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one])),
    ];
    expect(commands.map((one) => one.name())).toEqual([
      ...[
        "restbackup",
        "backup",
        "snapshot",
        "rebuild",
        "list",
        "show",
        "cat",
        "diff",
        "restore",
        "verify",
      ],
      ...["put", "get", "encrypt-and-put", "get-and-decrypt"],
      ...[
        "keygen",
        "passphrase",
        "serve",
        "create",
        "list",
        "disable",
        "enable",
        "rotate",
        "end-sessions",
        "set",
      ],
      ...["check", "clock", "completion"],
    ]);
    for (const command of commands) {
      let help = "";
      command.configureOutput({ writeOut: (text) => (help += text) });
      command.outputHelp();
      expect(help).toMatch(/\nExamples:\n {2}\S*restbackup /);
      expect(help).toContain("--access-url-file");
      for (const option of command.options) expect(option.description).not.toBe("");
    }
  });

  test("help shows the exit codes, and is no failure; nothing asked for is one", async () => {
    const help = await world.run(["--help"]);
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toMatch(/Exit codes:\n {2}0 {2}done/);
    expect((await world.run(["restore", "--help"])).stdout).toContain("--allow-unauthenticated");
    const nothing = await world.run([]);
    expect([nothing.code, nothing.stdout]).toEqual([2, ""]);
    expect(nothing.stderr).toContain("Usage: restbackup");
  });

  test("completion works in bash: commands, options, files and values", async () => {
    const { stdout: script } = await world.run(["completion", "bash"]);
    const complete = (...words: string[]) => {
      const quoted = words.map((word) => `'${word}'`).join(" ");
      const code = `${script}\nCOMP_WORDS=(restbackup ${quoted}); COMP_CWORD=${words.length}; _restbackup; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const text = execFileSync("bash", ["--norc", "-c", code], {
        cwd: world.work,
        encoding: "utf8",
      });
      return text.split("\n").filter((line) => line !== "");
    };
    expect(complete("")).toEqual(expect.arrayContaining(["backup", "restore", "account", "help"]));
    expect(complete("re")).toEqual(["rebuild", "restore"]);
    expect(complete("restore", "--over")).toEqual(["--overwrite"]);
    expect(complete("restore", "--trusted-signer")).toEqual([
      "--trusted-signer",
      "--trusted-signers-file",
    ]);
    expect(complete("--store", "file:///x", "ver")).toEqual(["verify"]);
    expect(complete("backup", "web")).toEqual(["website"]);
    expect(complete("backup", "--name", "restore", "--exc")).toEqual(["--exclude"]);
    expect(complete("backup", "website/")).toContain("website/index.html");
    expect(complete("restore", "--to", "w")).toEqual(["website"]);
    expect(complete("restore", "--to", "website/i")).toEqual([]);
    expect(complete("account", "")).toContain("create");
    expect(complete("account", "create", "--rete")).toEqual(["--retention"]);
    expect(complete("list", "--js")).toEqual(["--json"]);
    expect(complete("completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(complete("restore", "--name", "")).toEqual([]);
  });

  test("completion exists for zsh and fish, and for no other shell", async () => {
    const zsh = await world.run(["completion", "zsh"]);
    expect(zsh.stdout).toMatch(/^#compdef restbackup\n/);
    expect(zsh.stdout).toContain("_restbackup_account_create()");
    const fish = await world.run(["completion", "fish"]);
    expect(fish.stdout).toMatch(/^complete -c restbackup .* -l max-age -x -d '/m);
    expect((await world.run(["completion", "csh"])).code).toBe(2);
  });
});
