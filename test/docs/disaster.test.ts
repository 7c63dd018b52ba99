import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { makeTree } from "../end-to-end/tree.ts";
import { SnapshotWorld } from "../snapshot/world.ts";
import { restbackup } from "../support/dist.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { differences, treeOf } from "../support/trees.ts";
import { read, tableAfter } from "./documents.ts";
import { Commands, type Outcome, StockMachine } from "./stock-machine.ts";

const PAGE = "docs/disaster.md";
const PASSPHRASE = "correct horse battery staple";
const ALL = "All of it is there.\n";

const age = requireProgram("age", "an archive comes back with stock tools alone");
const terminal = requireProgram("script", "age asks for a passphrase, and opens an archive by it");

const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-disaster-")));
const tree = path.join(root, "tree");
const commands = new Commands(PAGE);
let machine: StockMachine;
let server: TestServer;
let shift = 0;
let identity: string;
/** An empty folder with key.txt, for each test. */
let folder: string;
let count = 0;

beforeAll(async () => {
  if (!age) return;
  machine = new StockMachine(path.join(root, "machine"));
  server = await startServer({ tls: true, clock: () => Date.now() + shift });
  ({ identity } = await generateIdentity());
  makeTree(tree);
  fs.writeFileSync(path.join(tree, "index.html"), "<h1>Hello</h1>\n");
  fs.mkdirSync(path.join(tree, "assets"));
  fs.writeFileSync(path.join(tree, "assets/app.js"), "app\n");
  // In archive order before and behind what can be damaged.
  fs.writeFileSync(path.join(tree, "first"), "first\n");
  fs.writeFileSync(path.join(tree, "g-noise"), noise(3_500_000));
});
afterAll(async () => {
  await server?.close();
  fs.rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  folder = path.join(root, `folder-${++count}`);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "key.txt"), `# a key\n${identity}\n`, { mode: 0o600 });
});

/** What does not compress, and is the same every time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = 1; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Makes a backup of the tree, or of another folder, with the built command line. */
async function backup(
  name: string,
  { key = identity, from = tree, more = [] as string[], to = server } = {},
): Promise<{ entry: string; sha256: string }> {
  const args = ["backup", from, "--name", name, "--json", ...more];
  const { code, stdout, stderr } = await restbackup(to, key, args);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const volumes = (name: string) => backup(name, { more: ["--volume-size", "1M"] });
const stored = (entry: string) => path.join(server.archives, entry);
const inFolder = (...parts: string[]) => path.join(folder, ...parts);

/** "Say where", with this server's url and password, which every later step needs. */
const where = (to = server, login = `${to.username}:${to.password}`) =>
  commands.take(2, 0, { URL: to.url.slice(0, -1), LOGIN: login });

interface Circumstances {
  readonly restbackup?: boolean;
  readonly typed?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Types commands into a shell, one block after another. */
function shell(blocks: readonly string[], more: Circumstances = {}): Promise<Outcome> {
  return machine.run(blocks.join("\n"), {
    cwd: folder,
    ...more,
    env: {
      CURL_CA_BUNDLE: server.caFile!,
      ...(more.restbackup === true
        ? { NODE_EXTRA_CA_CERTS: server.caFile!, RESTBACKUP_ACCESS_URL: server.accessUrl }
        : {}),
      ...more.env,
    },
  });
}

function expectWhole(restored: string, original = tree, tolerance = 0n): void {
  expect(differences(treeOf(original), treeOf(restored), { tolerance })).toEqual([]);
}

/** As restbackup restores: times to within a quarter of a microsecond. */
const expectRestored = (restored: string) => expectWhole(restored, tree, 250n);

function damage(file: string, at = fs.statSync(file).size >> 1): void {
  const bytes = fs.readFileSync(file);
  bytes[at]! ^= 1;
  fs.writeFileSync(file, bytes);
}

describe.runIf(age)("docs/disaster.md", () => {
  it("shows what a store holds, the newest last", async () => {
    const older = await backup("listed");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { entry } = await volumes("listed/in-volumes");
    const whole = await shell([where(), commands.take(3, 0)]);
    expect(JSON.parse(whole.stdout).map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining([`/${older.entry}`, `/${entry}.000`]),
    );
    const sorted = await shell([where(), commands.take(3, 1)]);
    const lines = sorted.stdout.trimEnd().split("\n");
    expect(lines).toEqual(lines.toSorted());
    expect(lines).toHaveLength(JSON.parse(whole.stdout).length);
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ \S+$/);
    expect(lines.at(-1)).toContain(`${entry}.0`);
    expect(lines.findIndex((line) => line.endsWith(older.entry))).toBeLessThan(lines.length - 4);
  });

  it("brings an archive in one piece back, and says so only then", async () => {
    const { entry } = await backup("whole");
    const blocks = [where(), commands.take(4, 0, { ENTRY: entry })];
    expect(await shell(blocks)).toMatchObject({ code: 0, stdout: ALL });
    expectWhole(inFolder("restored"));

    damage(stored(entry));
    fs.rmSync(inFolder("restored"), { recursive: true });
    const spoiled = await shell(blocks);
    expect(spoiled.code).not.toBe(0);
    expect(spoiled.stdout).toBe("");
  });

  it.runIf(terminal)("brings one with a passphrase back", async () => {
    const { entry } = await backup("passphrase", { key: PASSPHRASE });
    const open = `ENTRY='${entry}'\nmkdir restored\n${commands.take(4, 1)}`;
    const { stdout } = await shell([where(), open], { typed: PASSPHRASE });
    expect(stdout).toContain(ALL.trim());
    expectWhole(inFolder("restored"));
  });

  it("goes on with a download that broke off", async () => {
    const { entry } = await backup("line");
    const begun = fs.readFileSync(stored(entry)).subarray(0, 700_000);
    fs.writeFileSync(inFolder("archive.age"), begun);
    fs.mkdirSync(inFolder("restored"));
    const last = await shell([where(), `ENTRY='${entry}'`, commands.take(4, 2)]);
    expect(last).toMatchObject({ code: 0, stdout: ALL });
    expectWhole(inFolder("restored"));
  });

  it("brings volumes back, and notices when one is missing", async () => {
    const { entry } = await volumes("set");
    const blocks = () => [where(), commands.take(5, 0, { ENTRY: entry }), commands.take(5, 1)];
    const { code, stdout } = await shell(blocks());
    const names = ["000", "001", "002", "003.last"].map((number) => `/${entry}.${number}\n`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${names.join("")}${ALL}` });
    expectWhole(inFolder("restored"));

    fs.rmSync(stored(`${entry}.001`));
    fs.rmSync(inFolder("restored"), { recursive: true });
    const missing = await shell(blocks());
    expect(missing.stdout).not.toContain(ALL);
    expect(fs.readFileSync(inFolder("restored/first"), "utf8")).toBe("first\n");
  });

  it("compares the SHA-256 with the one that the backup said, and with the server's", async () => {
    const { entry, sha256 } = await backup("digest");
    const given = [where(), `ENTRY='${entry}'`];
    const { stdout } = await shell([...given, commands.take(6, 0)]);
    expect(stdout).toBe(`${sha256}  -\n`);
    const both = await shell([...given, commands.take(6, 1)]);
    const digest = Buffer.from(sha256, "hex").toString("base64");
    expect(both.stdout.replaceAll("\r", "")).toBe(`Repr-Digest: sha-256=:${digest}:\n${digest}\n`);
  });

  it("brings only some files back", async () => {
    const { entry } = await backup("some");
    fs.mkdirSync(inFolder("restored"));
    const { code, stdout } = await shell([where(), `ENTRY='${entry}'`, commands.take(7, 0)]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ index\.html$/m);
    expect(fs.readdirSync(inFolder("restored")).sort()).toEqual(["assets", "index.html"]);
    expectWhole(inFolder("restored/assets"), path.join(tree, "assets"));
  });

  it("clones a repository from its snapshot", async () => {
    const world = await new SnapshotWorld().start();
    try {
      world.createRepository("octo-org/website");
      const gathered = await world.gather("octo-org/website", { wiki: false, lfs: false });
      const { entry } = await backup("website-snapshot", { from: gathered.folder });
      const blocks = [where(), commands.take(4, 0, { ENTRY: entry }), commands.take(8, 0)];
      expect((await shell(blocks)).code).toBe(0);
      const head = (at: string) => world.git(at, "rev-parse", "trunk", "v1.0").trim();
      expect(head(inFolder("website"))).toBe(head(world.bare("octo-org/website")));
      expect(fs.existsSync(inFolder("restored/README.md"))).toBe(true);
    } finally {
      await world.close();
    }
  });

  it("brings archives back from a server's disk, and compares them with what it took in", async () => {
    const one = await backup("disk/one");
    const set = await volumes("disk/set");
    const { stdout } = await shell([commands.take(9, 0, { DATA: server.dataDir })]);
    expect(stdout).toContain("disk.d");
    for (const { entry } of [one, set]) {
      const FILE = stored(entry.replace("/", ".d/"));
      const restore = commands.take(9, 1, { FILE });
      expect(await shell(["set -o pipefail", restore])).toMatchObject({ code: 0, stdout: ALL });
      expectWhole(inFolder("restored"));
      fs.rmSync(inFolder("restored"), { recursive: true });
    }
    const account = { FILE: stored((await backup("meta")).entry) };
    const digests = await shell([commands.take(9, 1, account), commands.take(9, 2)]);
    const [, recorded] = /"sha256":"([0-9a-f]{64})"/.exec(digests.stdout)!;
    expect(digests.stdout).toContain(`\n${recorded}  ${path.basename(account.FILE)}\n`);
  });

  it("puts more than a thousand volumes into order", async () => {
    const bytes = fs.readFileSync(stored((await backup("many")).entry));
    const size = Math.ceil(bytes.length / 1003);
    const FILE = inFolder("many.tar.zst.age");
    for (let index = 0; index * size < bytes.length; index++) {
      const last = (index + 1) * size >= bytes.length ? ".last" : "";
      const name = `${FILE}.${String(index).padStart(3, "0")}${last}`;
      fs.writeFileSync(name, bytes.subarray(index * size, (index + 1) * size));
    }
    expect(fs.existsSync(`${FILE}.1001`) || fs.existsSync(`${FILE}.1001.last`)).toBe(true);
    const { stdout } = await shell(["set -o pipefail", commands.take(9, 1, { FILE })]);
    expect(stdout).toBe(ALL);
    expectWhole(inFolder("restored"));
  });

  it("runs a copy of this repository, as it is, from the disk of the server", async () => {
    await backup("website");
    const dist = new URL("../../dist", import.meta.url);
    fs.cpSync(dist, inFolder("restbackup/dist"), { recursive: true });
    const command = commands
      .take(10, 0)
      .replace("/srv/restbackup/archives/USERNAME", server.archives);
    const { code, stdout } = await shell([command], { restbackup: true });
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: /every one verified/ });
    expectRestored(inFolder("website"));
  });

  it("brings back what stands before the damage, and with restbackup what stands behind it", async () => {
    const { entry } = await backup("damaged");
    damage(stored(entry));
    const given = [where(), `ENTRY='${entry}'`];
    const rescued = await shell([...given, commands.take(11, 0)]);
    expect(rescued.code).not.toBe(0);
    expect(rescued.stdout.trimEnd().split("\n").at(-1)).toBe("g-noise");
    expect(fs.readFileSync(inFolder("rescued/first"), "utf8")).toBe("first\n");
    const noiseOf = (at: string) => fs.readFileSync(path.join(at, "g-noise"));
    expect(noiseOf(inFolder("rescued")).length).toBeLessThan(noiseOf(tree).length);
    expect(fs.existsSync(inFolder("rescued/index.html"))).toBe(false);

    const { code, stdout } = await shell([...given, commands.take(11, 1)], { restbackup: true });
    expect(code).toBe(0);
    expect(stdout).toContain(" g-noise\n");
    expect(fs.readFileSync(inFolder("intact/index.html"), "utf8")).toBe("<h1>Hello</h1>\n");
    const verify = await shell([`restbackup verify '${entry}' --key-file key.txt`], {
      restbackup: true,
    });
    expect(verify.stderr).toMatch(/near byte \d+/);
  });

  it("restores at once where restbackup is, and an older one where the newest is no good", async () => {
    // The page's name.
    const { entry } = await backup("website");
    await shell([commands.take(0, 0)], { restbackup: true });
    expectRestored(inFolder("website"));
    fs.rmSync(inFolder("website"), { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const newest = await backup("website");
    damage(stored(newest.entry));
    const { code, stdout, stderr } = await shell([commands.take(12, 0)], { restbackup: true });
    expect(code).toBe(0);
    expect(stderr).toContain(`passed over ${newest.entry}`);
    expect(stdout).toContain(`Restored ${entry}`);
    expectRestored(inFolder("website"));
  });

  it("knows which version of age opens post-quantum keys", async () => {
    const pair = await generateIdentity({ postQuantum: true });
    const { entry } = await backup("quantum", { key: pair.identity });
    fs.writeFileSync(inFolder("key.txt"), `${pair.identity}\n`);
    const { stdout, stderr } = await shell([where(), commands.take(4, 0, { ENTRY: entry })]);
    const version = execFileSync("age", ["--version"], { encoding: "utf8" });
    const [, major, minor] = /(\d+)\.(\d+)/.exec(version)!.map(Number);
    if (major! > 1 || minor! >= 3) expect(stdout).toBe(ALL);
    else expect(stderr).toContain("unknown identity type");
  });
});

/** Ways to come to the messages of the page's table, by a part of them. */
const MESSAGES: Record<string, () => Promise<Outcome>> = {
  "401": async () => shell([where(server, `${server.username}:wrong`), commands.take(3, 0)]),
  "404": async () => open("nothing-20260101T000000Z.tar.zst.age"),
  "410": async () => {
    const session = await fetchSession();
    shift = 25 * 3_600_000;
    try {
      return await shell([`curl -f "${session}"`]);
    } finally {
      shift = 0;
    }
  },
  "429": async () => {
    const other = await startServer();
    const guess = Array.from({ length: 12 }, () => commands.take(3, 0)).join("");
    try {
      return await shell([where(other, `${other.username}:wrong`), guess]);
    } finally {
      await other.close();
    }
  },
  "curl: (60)": () => shell([where(), commands.take(3, 0)], { env: { CURL_CA_BUNDLE: "" } }),
  "curl: (6)": async () => {
    const lost = await shell([atHost("https://no.such.host.invalid"), commands.take(3, 0)]);
    const nobody = await shell([atHost("https://127.0.0.1:1"), commands.take(3, 0)]);
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    const patience = commands.take(3, 0).replace("curl", "curl -m 0.5");
    const late = await shell([atHost(`https://127.0.0.1:${port}`), patience]);
    silent.close();
    return { ...late, stderr: lost.stderr + nobody.stderr + late.stderr };
  },
  "no identity matched": async () => {
    fs.writeFileSync(inFolder("key.txt"), (await generateIdentity()).identity);
    return open((await backup("other-key")).entry);
  },
  "unknown identity type": async () => {
    fs.writeFileSync(inFolder("key.txt"), PASSPHRASE);
    return open((await backup("no-key")).entry);
  },
  "malformed secret key": async () => {
    fs.writeFileSync(inFolder("key.txt"), identity.replace(/.$/, "b"));
    return open((await backup("typo")).entry);
  },
  "passphrase-encrypted": async () =>
    open((await backup("by-passphrase", { key: PASSPHRASE })).entry),
  "incorrect passphrase": async () => {
    const { entry } = await backup("wrong-passphrase", { key: PASSPHRASE });
    const { code, stdout } = await shell(
      [where(), `ENTRY='${entry}'\nmkdir restored\n${commands.take(4, 1)}`],
      { typed: "wrong" },
    );
    return { code, stdout: "", stderr: stdout };
  },
  "parsing age header": async () => open(`${(await volumes("later")).entry}.001`),
  "failed to decrypt": async () => {
    const { entry } = await backup("flipped");
    damage(stored(entry));
    return open(entry);
  },
  "unexpected end of file": async () => {
    const nothing = await open("none-20260101T000000Z.tar.zst.age");
    const { entry } = await backup("cut");
    damage(stored(entry));
    fs.rmSync(inFolder("restored"), { recursive: true });
    const half = await open(entry);
    return { ...half, stderr: nothing.stderr + half.stderr };
  },
};
MESSAGES["Unexpected EOF in archive"] = MESSAGES["unexpected end of file"]!;

const atHost = (url: string) => commands.take(2, 0, { URL: url, LOGIN: "a:b" });
const open = (entry: string) => shell([where(), commands.take(4, 0, { ENTRY: entry })]);

/** The url of a session, as the server gives it. */
async function fetchSession(): Promise<string> {
  const asking = `curl -fsSi -u "$LOGIN" -X POST -H 'X-HTTP-Method-Override: MAKESESSION' "$URL/"`;
  const { stdout } = await shell([where(), asking]);
  return /^location: (\S+)/im.exec(stdout)![1]!;
}

describe.runIf(age)("the messages that docs/disaster.md explains", () => {
  const rows = tableAfter(read(PAGE), "## What the messages mean").map(([message]) => message!);

  it.each(rows)("are what somebody reads: %s", async (message) => {
    const [, provoke] = Object.entries(MESSAGES).find(([part]) => message.includes(part))!;
    if (message.includes("incorrect passphrase") && !terminal) return;
    const { code, stderr } = await provoke();
    expect(code).not.toBe(0);
    const parts = [...message.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => text!.split(" … "));
    expect(parts.filter((part) => !stderr.includes(part))).toEqual([]);
  });
});

it.runIf(age && terminal)("every command of docs/disaster.md was run", () => {
  expect(commands.rest).toEqual([]);
});
