import { type ChildProcess, execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { generateSigningKey } from "../../src/encryption/signing.ts";
import { startRangelessFront } from "../support/rangeless-front.ts";
import { startServer } from "../support/server.ts";
import { type ActionFolder, ours, type Run, runAction } from "./harness.ts";
import { makeTree, treeOf } from "./tree.ts";

let server: Awaited<ReturnType<typeof startServer>>;
let scratch: string;
let workspace: string;
let identity: string;
let recipient: string;
let counter = 0;
let name: string;

beforeAll(async () => {
  server = await startServer({ tls: true });
  scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "action-")));
  ({ identity, recipient } = await generateIdentity());
});

afterAll(async () => {
  await server?.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

beforeEach(() => {
  // Each test has a workspace and a backup name of its own, in one store.
  name = `site-${++counter}`;
  workspace = path.join(scratch, name);
  fs.mkdirSync(workspace);
});

function step(
  folder: ActionFolder,
  inputs: Record<string, string>,
  more: object = {},
): Promise<Run> {
  return runAction(folder, {
    with: { "access-url": server.accessUrl, name, ...inputs },
    workspace,
    env: { NODE_EXTRA_CA_CERTS: server.caFile! },
    ...more,
  });
}

const backup = (inputs: Record<string, string> = {}, more?: object) =>
  step(".", { key: identity, path: "tree", ...inputs }, more);
const restore = (inputs: Record<string, string> = {}, more?: object) =>
  step("restore", { key: identity, path: "restored", ...inputs }, more);

/** A step that was to fail: with one error in the log, in words, and nothing else claimed. */
function failed(run: Run): string {
  expect(run.exitCode).toBe(1);
  expect(run.annotations.map((annotation) => annotation.name)).toEqual(["error"]);
  expect(run.annotations[0]!.properties.title).toMatch(/^(Backup|Restore) failed$/);
  expect(run.log).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(run.log).not.toContain("unexpected");
  expect(run.outputs).toEqual({});
  expect(run.summary).toBe("");
  return run.annotations[0]!.message;
}

function done(run: Run): Run {
  expect(run.annotations.filter((annotation) => annotation.name === "error")).toEqual([]);
  expect(run.exitCode).toBe(0);
  return run;
}

const inWorkspace = (...parts: string[]) => path.join(workspace, ...parts);

describe("a backup and its restore", () => {
  it("bring a folder back identical, over HTTPS", async () => {
    makeTree(inWorkspace("tree"));
    const stored = done(await backup());
    expect(stored.annotations).toEqual([]);
    expect(stored.outputs).toEqual({
      entry: expect.stringMatching(new RegExp(`^${name}-\\d{8}T\\d{6}Z\\.tar\\.zst\\.age$`)),
      size: expect.stringMatching(/^\d+$/),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      createtime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      files: expect.stringMatching(/^[1-9]\d*$/),
    });

    const back = done(await restore());
    expect(back.annotations).toEqual([]);
    expect(back.outputs).toEqual({
      entry: stored.outputs.entry,
      found: "true",
      createtime: stored.outputs.createtime,
      files: stored.outputs.files,
      "cache-hit": "false",
    });
    expect(treeOf(inWorkspace("restored"))).toEqual(treeOf(inWorkspace("tree")));
  });

  it("need nothing but dist and the action files, wherever those lie", async () => {
    const repository = path.join(scratch, "alone");
    for (const part of ["dist", "action.yml", "restore/action.yml"]) {
      fs.cpSync(path.join(ours, part), path.join(repository, part), { recursive: true });
    }
    makeTree(inWorkspace("tree"));
    done(await backup({}, { repository }));
    done(await restore({}, { repository }));
    expect(treeOf(inWorkspace("restored"))).toEqual(treeOf(inWorkspace("tree")));
  });

  it("are summed up for a person", async () => {
    makeTree(inWorkspace("tree"));
    const stored = done(await backup());
    const { entry, sha256, files } = stored.outputs;
    expect(stored.summary).toContain(`### Backup \`${entry}\``);
    expect(stored.summary).toContain(`| Files | ${files} (`);
    expect(stored.summary).toContain(`\`${sha256}\``);
    expect(stored.summary).toContain("| Authenticated | by the secret key |");
    expect(stored.summary).toContain(`npx restbackup restore ${entry} --to ./${name}`);

    const back = done(await restore());
    expect(back.summary).toContain(`### Restored \`${entry}\``);
    expect(back.summary).toContain("octo-org/website");
    expect(back.summary).toContain("https://github.com/octo-org/website/actions/runs/1658821493");
  });

  it("are summed up with what changed since the backup before, as far as the keys can tell", async () => {
    makeTree(inWorkspace("tree"));
    const first = done(await backup());
    expect(first.summary).not.toContain("| Changed |");
    fs.writeFileSync(inWorkspace("tree", "new"), "new");
    const [file] = filesOf("tree").filter((one) => one !== "new");
    fs.appendFileSync(inWorkspace("tree", file!), "more");
    const since = (run: Run) => `since \`${run.outputs.entry}\` |`;
    const second = done(await backup());
    const row = (run: Run) => /^\| Changed \| .*$/m.exec(run.summary)?.[0];
    expect(row(second)).toMatch(
      /^\| Changed \| 1 added, [1-9]\d* changed, 0 removed; \d.* stored; /,
    );
    expect(row(second)).toContain(since(first));
    fs.rmSync(inWorkspace("tree", "new"));
    // What this runner cannot read tells its size in the listing all the same.
    const third = done(await backup({ key: "", recipients: recipient }));
    expect(third.annotations).toEqual([]);
    expect(row(third)).toMatch(/^\| Changed \| \d+ B (less|more) stored; since /);
    expect(row(third)).toContain(since(second));
    const other = await generateIdentity();
    const fourth = done(await backup({ key: other.identity }));
    expect(fourth.annotations).toEqual([]);
    expect(row(fourth)).toMatch(/^\| Changed \| (\d+ B (less|more)|as much) stored; since /);
    expect(row(fourth)).toContain(since(third));
  });

  // The command is written for a POSIX shell.
  it.skipIf(process.platform === "win32")(
    "end with a command that restores elsewhere",
    async () => {
      makeTree(inWorkspace("tree"));
      const stored = done(await backup());
      const command = /^npx restbackup (restore .*)$/m.exec(stored.summary)![1]!;
      const cli = path.join(ours, "dist", "cli.js");
      await promisify(execFile)("sh", ["-c", `"${process.execPath}" "${cli}" ${command}`], {
        cwd: workspace,
        env: {
          HOME: scratch,
          RESTBACKUP_ACCESS_URL: server.accessUrl,
          RESTBACKUP_KEY: identity,
          NODE_EXTRA_CA_CERTS: server.caFile!,
        },
      });
      expect(treeOf(inWorkspace(name))).toEqual(treeOf(inWorkspace("tree")));
    },
  );

  it("take the repository's name where none is given", async () => {
    makeTree(inWorkspace("tree"));
    const env = { NODE_EXTRA_CA_CERTS: server.caFile!, GITHUB_REPOSITORY: `octo-org/${name}` };
    const stored = done(await backup({ name: "" }, { env }));
    expect(stored.outputs.entry).toMatch(new RegExp(`^${name}-`));
    const back = done(await restore({ name: "" }, { env }));
    expect(back.outputs.entry).toBe(stored.outputs.entry);
  });

  // Windows has nothing in a folder that is neither file, folder nor link.
  it.skipIf(process.platform === "win32")("warn once of all that is left out", async () => {
    makeTree(inWorkspace("tree"));
    const hostile = "`pipe`|\n::error::##[error]";
    execFileSync("mkfifo", [inWorkspace("tree", "pipe"), inWorkspace("tree", hostile)]);
    const stored = done(await backup());
    expect(stored.annotations).toHaveLength(1);
    expect(stored.annotations[0]).toMatchObject({
      name: "warning",
      message: expect.stringMatching(/^`pipe`\|\\x0a::error::##\[error\]: .+\npipe: .+$/),
    });
    expect(stored.summary).toMatch(/^- `pipe`: /m);
    expect(stored.summary).toMatch(/^- `` `pipe`\|\\x0a::error::##\[error\] ``: /m);
  });

  it("work in volumes, at another compression level", async () => {
    fs.mkdirSync(inWorkspace("tree"));
    fs.writeFileSync(inWorkspace("tree", "random"), randomBytes(2_500_000));
    makeTree(inWorkspace("tree"));
    const stored = done(await backup({ "volume-size": "1MiB", "compression-level": "1" }));
    expect(stored.summary).toContain("| Volumes | 3 |");
    done(await restore({ entry: stored.outputs.entry! }));
    expect(treeOf(inWorkspace("restored"))).toEqual(treeOf(inWorkspace("tree")));
  });

  it("choose by globs and exclusions what is taken, and what is brought back", async () => {
    for (const file of [
      "src/a.ts",
      "src/a.tmp",
      "src/b/c.ts",
      "src/b/c.log",
      "docs/d.md",
      "e.md",
    ]) {
      fs.mkdirSync(path.dirname(inWorkspace(file)), { recursive: true });
      fs.writeFileSync(inWorkspace(file), file);
    }
    const patterns = "src\r\ndocs/*.md\r\n!src/**/*.tmp\r\n";
    const stored = done(await backup({ path: patterns, exclude: "*.log" }));
    expect(stored.outputs.files).toBe("3");
    done(await restore());
    expect(filesOf("restored")).toEqual(["docs/d.md", "src/a.ts", "src/b/c.ts"]);

    done(await restore({ path: "some", include: "src/b\n*.md" }));
    expect(filesOf("some")).toEqual(["docs/d.md", "src/b/c.ts"]);
  });

  it("brings a part back from a server without ranges, and says what that takes", async () => {
    const plain = await startServer();
    const front = await startRangelessFront(plain.port);
    try {
      const through = { "access-url": front.through(plain.accessUrl) };
      fs.mkdirSync(inWorkspace("tree"));
      for (const file of ["wanted.bin", "other.bin"]) {
        fs.writeFileSync(inWorkspace("tree", file), randomBytes(100_000));
      }
      const { entry } = done(await backup(through)).outputs;
      front.requests.length = 0;
      const back = done(await restore({ ...through, path: "some", include: "wanted.bin" }));
      expect(back.annotations).toEqual([]);
      expect(
        back.log.match(/^.* sends no part of an archive alone: it is read whole/gm),
      ).toHaveLength(1);
      expect(front.requests.filter((request) => request === `GET /${entry}`)).toHaveLength(2);
      expect(fs.readdirSync(inWorkspace("some"))).toEqual(["wanted.bin"]);
    } finally {
      await front.close();
      await plain.close();
    }
  });

  it("compare no contents lists where that takes whole archives from a server without ranges", async () => {
    const plain = await startServer();
    const front = await startRangelessFront(plain.port);
    try {
      const through = { "access-url": front.through(plain.accessUrl), "volume-size": "1MiB" };
      fs.mkdirSync(inWorkspace("tree"));
      fs.writeFileSync(inWorkspace("tree", "random.bin"), randomBytes(3_000_000));
      const first = done(await backup(through));
      front.requests.length = 0;
      const second = done(await backup(through));
      expect(second.annotations).toEqual([]);
      expect(second.summary).toMatch(/^\| Changed \| (\d+ B (less|more)|as much) stored; since /m);
      expect(second.summary).toContain(`since \`${first.outputs.entry}\``);
      const fetched = front.requests.filter((request) => /^GET \/.+/.test(request));
      expect(fetched.length).toBeLessThanOrEqual(2);
    } finally {
      await front.close();
      await plain.close();
    }
  });

  it("restore the latest at or before a time, and an older one by its entry", async () => {
    makeTree(inWorkspace("tree"));
    const first = done(await backup());
    fs.writeFileSync(inWorkspace("tree", "later"), "later");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const second = done(await backup());
    expect(done(await restore()).outputs.entry).toBe(second.outputs.entry);
    const old = done(await restore({ path: "old", at: first.outputs.createtime! }));
    expect(old.outputs.entry).toBe(first.outputs.entry);
    const named = done(await restore({ path: "named", entry: first.outputs.entry! }));
    expect(named.outputs.entry).toBe(first.outputs.entry);
    expect(fs.existsSync(inWorkspace("named", "later"))).toBe(false);
  });

  it("restore into the empty workspace itself", async () => {
    makeTree(inWorkspace("tree"));
    done(await backup());
    const elsewhere = path.join(scratch, `${name}-empty`);
    fs.mkdirSync(elsewhere);
    done(await restore({ path: "." }, { workspace: elsewhere }));
    expect(treeOf(elsewhere)).toEqual(treeOf(inWorkspace("tree")));
  });
});

describe("a folder that holds something", () => {
  it("is not restored into unless overwrite says so, and then keeps its other files", async () => {
    makeTree(inWorkspace("tree"));
    done(await backup());
    fs.mkdirSync(inWorkspace("restored"));
    fs.writeFileSync(inWorkspace("restored", "mine"), "mine");
    const before = treeOf(inWorkspace("restored"));
    expect(failed(await restore())).toContain("overwrite");
    expect(treeOf(inWorkspace("restored"))).toEqual(before);

    done(await restore({ overwrite: "true" }));
    expect(fs.readFileSync(inWorkspace("restored", "mine"), "utf8")).toBe("mine");
    expect(filesOf("restored")).toEqual([...filesOf("tree"), "mine"].sort());
  });
});

describe("nothing to work on", () => {
  it.each([
    ["error", ["error"], 1],
    ["warn", ["warning"], 0],
    ["ignore", [], 0],
  ] as const)("is met with %s when no file is found", async (mode, annotations, exitCode) => {
    const run = await backup({ path: "no/such/**", "if-no-files-found": mode });
    expect(run.annotations.map((annotation) => annotation.name)).toEqual(annotations);
    expect(run.exitCode).toBe(exitCode);
    if (exitCode === 1) failed(run);
    else expect(run.outputs).toMatchObject({ entry: "", files: "0" });
    if (exitCode === 0) expect(run.summary).toContain("Nothing was backed up");
    // And nothing was stored.
    expect((await restore({ "if-not-found": "ignore" })).outputs.found).toBe("false");
  });

  it.each([
    ["error", ["error"], 1],
    ["warn", ["warning"], 0],
    ["ignore", [], 0],
  ] as const)("is met with %s when no backup is found", async (mode, annotations, exitCode) => {
    const run = await restore({ "if-not-found": mode });
    expect(run.annotations.map((annotation) => annotation.name)).toEqual(annotations);
    expect(run.exitCode).toBe(exitCode);
    if (exitCode === 1) failed(run);
    else expect(run.outputs).toMatchObject({ entry: "", found: "false", files: "0" });
    if (exitCode === 0) expect(run.summary).toContain("Nothing was restored");
    expect(fs.existsSync(inWorkspace("restored"))).toBe(false);
  });
});

describe("keys", () => {
  it("may be several, newest first, with white space and Windows line ends around them", async () => {
    makeTree(inWorkspace("tree"));
    const { identity: newer } = await generateIdentity();
    const both = `# newer\r\n${newer}\r\n\r\n${identity}\r\n`;
    const old = done(await backup({ key: `\n  ${identity} \r\n` }));
    const stored = done(await backup({ key: both, name: `${name}-new` }));
    expect(stored.masks).toEqual(expect.arrayContaining([newer, identity]));
    done(await restore({ key: both, path: "new", entry: stored.outputs.entry! }));
    done(await restore({ key: both, path: "old", entry: old.outputs.entry! }));
    expect(treeOf(inWorkspace("new"))).toEqual(treeOf(inWorkspace("tree")));
    expect(treeOf(inWorkspace("old"))).toEqual(treeOf(inWorkspace("tree")));
  });

  it("may be a passphrase", async () => {
    makeTree(inWorkspace("tree"));
    done(await backup({ key: "correct horse battery staple" }));
    done(await restore({ key: "correct horse battery staple" }));
    failed(await restore({ key: "correct horse battery stable", path: "other" }));
  });

  it("that are wrong restore nothing", async () => {
    makeTree(inWorkspace("tree"));
    done(await backup());
    expect(failed(await restore({ key: (await generateIdentity()).identity }))).toMatch(/key/);
    expect(fs.readdirSync(workspace)).toEqual(["tree"]);
  });

  it("that only write leave an archive which is restored only when asked for in so many words", async () => {
    makeTree(inWorkspace("tree"));
    const stored = done(await backup({ key: "", recipients: `${recipient}\r\n` }));
    expect(stored.summary).toContain("| Authenticated | **no**");
    expect(failed(await restore())).toContain("allow-unauthenticated");
    expect(fs.existsSync(inWorkspace("restored"))).toBe(false);
    const back = done(await restore({ "allow-unauthenticated": "true" }));
    expect(back.summary).toContain("| Authenticated | **no**");
    expect(treeOf(inWorkspace("restored"))).toEqual(treeOf(inWorkspace("tree")));
  });

  it("that sign prove who wrote it, to who trusts them", async () => {
    makeTree(inWorkspace("tree"));
    const trusted = generateSigningKey();
    const other = generateSigningKey();
    const stored = done(
      await backup({ key: "", recipients: recipient, "signing-key": trusted.signingKey }),
    );
    expect(stored.masks).toContain(trusted.signingKey);
    expect(stored.summary).toContain("| Authenticated | by the signing key |");
    failed(await restore());
    failed(await restore({ "trusted-signers": other.signer }));
    const both = `${other.signer}\r\n${trusted.signer}\r\n`;
    const back = done(await restore({ "trusted-signers": both }));
    expect(back.summary).toContain("| Authenticated | by the trusted signer `");
    expect(treeOf(inWorkspace("restored"))).toEqual(treeOf(inWorkspace("tree")));
  });
});

describe("a step that cannot do its work says so once", () => {
  const wrong = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";

  it.each<[string, ActionFolder, Record<string, string>, RegExp]>([
    ["without access url", ".", { "access-url": "" }, /access-url is empty.*forks/s],
    ["without key", ".", { key: "" }, /key and recipients are empty.*forks/s],
    ["without key to restore with", "restore", { key: "" }, /key is empty.*forks/s],
    ["with a mistyped key", ".", { key: wrong }, /key/],
    ["with a mistyped recipient", ".", { recipients: "age1qqqq" }, /recipient/],
    ["with something else as signing key", ".", { "signing-key": "hunter2hunter2" }, /signing/],
    ["with something else as signer", "restore", { "trusted-signers": "x" }, /signer/],
    ["without path", ".", { path: "\n" }, /path is empty/],
    ["with a level that is none", ".", { "compression-level": "high" }, /compression-level/],
    ["with a size that is none", ".", { "volume-size": "-1" }, /volume-size/],
    ["with a mode that is none", ".", { "if-no-files-found": "fail" }, /if-no-files-found/],
    ["with a name that is none", ".", { name: "../up" }, /cannot be a backup name/],
    ["with a time that is none", "restore", { at: "yesterday" }, /The input at/],
    ["with a truth that is none", "restore", { overwrite: "yes" }, /overwrite/],
    ["with an entry that is none", "restore", { entry: "nothing" }, /nothing/],
    ["with an url that is none", ".", { "access-url": "https://me:hunter2@backup" }, /access url/],
  ])("%s", async (_, folder, inputs, message) => {
    makeTree(inWorkspace("tree"));
    const run = await (folder === "." ? backup : restore)(inputs);
    expect(failed(run)).toMatch(message);
  });

  it("with a password the server does not know", async () => {
    makeTree(inWorkspace("tree"));
    const url = server.accessUrl.replace(/:([^:/@]+)@/, ":wr0ngpassw0rd@");
    const run = await backup({ "access-url": url });
    failed(run);
    expect(run.masks).toContain("wr0ngpassw0rd");
  });

  it("with a server whose certificate nobody vouches for", async () => {
    makeTree(inWorkspace("tree"));
    expect(failed(await backup({}, { env: {} }))).toMatch(/certificate/);
  });

  it("and shows where only in the debug log", async () => {
    const env = { NODE_EXTRA_CA_CERTS: server.caFile!, RUNNER_DEBUG: "1" };
    const run = await backup({ path: "" }, { env });
    expect(run.annotations).toHaveLength(1);
    expect(run.log).toMatch(/^::debug::.*%0A +at /m);
  });
});

describe("secrets", () => {
  it("are hidden before anything else is printed", async () => {
    makeTree(inWorkspace("tree"));
    const run = done(await backup());
    const { username, password } = new URL(server.accessUrl);
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    for (const secret of [server.accessUrl, username, password, basic, identity]) {
      expect(run.masks).toContain(secret);
    }
    expect(run.stdout.trimStart()).toMatch(/^(::add-mask::.*\r?\n)+(?!::add-mask)/);
    expect(run.stdout.replace(/^(::add-mask::.*\r?\n)+/, "")).not.toContain("add-mask");
  });
});

describe("a cancelled run", () => {
  // Windows has no signals: there the runner's Ctrl-C reaches whole consoles only.
  it.skipIf(process.platform === "win32")("stops, says so once, and stores no backup", async () => {
    fs.mkdirSync(inWorkspace("tree"));
    const text = randomBytes(4_000_000).toString("base64");
    for (let index = 0; index < 16; index++)
      fs.writeFileSync(inWorkspace("tree", `${index}`), text);
    const volumes = () => fs.readdirSync(server.archives).filter((file) => file.startsWith(name));
    const run = await backup(
      { "compression-level": "9", "volume-size": "1MiB" },
      {
        onStart: (step: ChildProcess) => {
          const timer = setInterval(() => {
            if (volumes().length === 0) return;
            clearInterval(timer);
            step.kill("SIGINT");
          }, 20);
          step.on("close", () => clearInterval(timer));
        },
      },
    );
    expect(volumes().length).toBeGreaterThan(0);
    expect(failed(run)).toMatch(/cancelled/);
    expect((await restore({ "if-not-found": "ignore" })).outputs.found).toBe("false");
  });
});

function filesOf(folder: string): string[] {
  return fs
    .readdirSync(inWorkspace(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(inWorkspace(folder), path.join(entry.parentPath, entry.name)))
    .map((file) => file.replaceAll("\\", "/"))
    .sort();
}
