import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BASE, type DailyChain, makeDailyChain, PASSPHRASE } from "../operations/legacy-chain.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { differences, treeOf } from "../support/trees.ts";
import { World } from "./world.ts";

const tar = requireProgram("tar", "archives that older tools made come back from a server");

describe.skipIf(!tar)("archives of older tools on a server", () => {
  const world = new World();
  const env: Record<string, string> = {};
  let server: TestServer;
  let plain: DailyChain;
  let encrypted: DailyChain;
  let passphraseFile: string;

  beforeAll(async () => {
    server = await startServer();
    env.RESTBACKUP_ACCESS_URL = world.hide(server.accessUrl);
    plain = await makeDailyChain(world.root);
    encrypted = await makeDailyChain(world.root, { format: "posix", encrypted: true });
    passphraseFile = world.file("passphrase.txt", `${world.hide(PASSPHRASE)}\n`);
    for (const name of plain.names) await upload(join(plain.folder, name), name);
    // Another name, and the sixth increment is lost.
    for (const [level, name] of encrypted.names.entries()) {
      const other = name.replace("website", "secret");
      if (level !== 6) await upload(join(encrypted.folder, name), other);
    }
    await upload(join(plain.folder, plain.names[0]!), "data.20100523.tar.gz");
  });

  afterAll(async () => {
    await server.close();
    world.remove();
  });

  /** As the tools of 2010 did: a PUT with the whole file. */
  async function upload(file: string, name: string): Promise<void> {
    const credentials = Buffer.from(`${server.username}:${server.password}`).toString("base64");
    const answer = await fetch(new URL(name, server.url), {
      method: "PUT",
      body: readFileSync(file),
      headers: { authorization: `Basic ${credentials}` },
    });
    expect(answer.status).toBe(201);
  }

  test("list shows them beside new ones, and where a chain ends", async () => {
    const key = await world.newKey("key.txt");
    const backup = await world.json(
      ["backup", "website", "--name", "new", "--key-file", key.file],
      {
        env,
      },
    );
    const { stdout } = await world.run(["list"], { env });
    expect(stdout).toContain(backup.entry);
    expect(stdout).toContain("data.20100523.tar.gz");
    for (const name of plain.names) expect(stdout).toMatch(new RegExp(`  ${name}  \\(kept`));
    expect(stdout).toMatch(/secret-\w+-inc5\.tar\.gz {2}\(the chain ends here: secret-\w+-inc6/);
    expect(stdout).toMatch(/secret-\w+-inc7\.tar\.gz {2}\(cannot be restored: secret-\w+-inc6/);
    const { entries } = await world.json(["list", "--name", "secret"], { env });
    expect(entries).toHaveLength(10);
    expect(entries.at(-1)).toMatchObject({
      complete: false,
      legacy: { level: 10, missing: expect.stringContaining("-inc6.tar.gz") },
    });
  });

  test("restore brings a plain one back, to any point, when that is allowed, and needs no key", async () => {
    const refused = await world.run(["restore", "--name", "website", "--to", "restored"], { env });
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("neither encrypted nor signed");
    expect(refused.stderr).toContain("--allow-unauthenticated");
    for (const level of [0, 4, 10]) {
      const to = join(world.work, `restored-${level}`);
      const entry = level === 10 ? BASE : plain.names[level]!;
      const args = ["restore", entry, "--to", to, "--allow-unauthenticated"];
      const { code, stdout } = await world.run(args, { env });
      expect(code).toBe(0);
      expect(stdout).toContain(`Restored ${plain.names[level]}`);
      expect(stdout).toContain("UNAUTHENTICATED");
      expect(stdout).toContain("all it can prove");
      expect(differences(plain.states[level]!, treeOf(to), { tolerance: 1000n })).toEqual([]);
    }
  });

  test("restore brings an encrypted one back with its passphrase, as far as the chain goes", async () => {
    const args = ["restore", "--name", "secret"];
    const none = await world.run(args, { env });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("--passphrase-file");
    const wrong = world.file("wrong.txt", world.hide("another passphrase"));
    expect((await world.run([...args, "--passphrase-file", wrong], { env })).code).toBe(4);
    const { code, stdout, stderr } = await world.run(
      [...args, "--passphrase-file", passphraseFile],
      { env },
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/inc6\.tar\.gz is missing: the chain ends at secret-\w+-inc5/);
    expect(stdout).toContain("someone who knows the passphrase, proven");
    const found = differences(encrypted.states[5]!, treeOf(join(world.work, "secret")), {
      tolerance: 1000n,
    });
    expect(found).toEqual([]);
    rmSync(join(world.work, "secret"), { recursive: true });
    const behind = await world.run(["restore", "secret-20100521T110003Z-inc8.tar.gz"], { env });
    expect(behind.code).toBe(3);
    expect(behind.stderr).toContain("is missing");
  });

  test("verify reads the chain, and says how little that proves", async () => {
    const { code, stdout } = await world.run(
      ["verify", "--name", "website", "--allow-unauthenticated"],
      { env },
    );
    expect(code).toBe(0);
    expect(stdout).toContain("a full archive and 10 increments");
    expect(stdout).toContain("no digest of any file");
    const document = await world.json(
      ["verify", "--name", "secret", "--passphrase-file", passphraseFile],
      { env },
    );
    expect(document.authenticity).toEqual({ by: "key" });
    expect(document.applied).toHaveLength(6);
    expect((await world.run(["verify", plain.names[3]!], { env })).code).toBe(5);
  });

  test("show lists one archive, and that it is one of a chain", async () => {
    const { stdout } = await world.run(["show", plain.names[1]!], { env });
    expect(stdout).toContain("what changed since the one before");
    expect(stdout).toContain("UNAUTHENTICATED");
    expect(stdout).toMatch(/^-rw-r--r-- .* \.\/index\.html$/m);
    expect(stdout).toContain("\\x0aline");
    const { entries, totals } = await world.json(["show", "data.20100523.tar.gz"], { env });
    expect(entries.map(({ path }) => path)).toContain("./docs/old/1999.html");
    expect(totals).toMatchObject({ files: 24, links: 2 });
  });

  test("a name that is none says how such names look", async () => {
    const { code, stderr } = await world.run(["restore", "website-inc1.tar.gz"], { env });
    expect(code).toBe(2);
    expect(stderr).toContain("is not the name of an entry");
  });
});
