import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateSigningKey } from "../../src/encryption/signing.ts";
import { startServer } from "../support/server.ts";
import { World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.remove());

describe("another store", () => {
  test("no key and no recipient: refused, and nothing is made", async () => {
    const { code, stderr } = await world.run([
      "backup",
      "website",
      "--store",
      world.storeUrl("store"),
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain("no key");
    expect(stderr).toContain("keygen");
    expect(existsSync(join(world.root, "store"))).toBe(false);
    expect(existsSync(world.keyFile)).toBe(false);
  });

  test("--key-file wins over RESTBACKUP_KEY, which wins over the key file of the user", async () => {
    const [byFile, byEnv] = [await world.newKey("file.txt"), await world.newKey("env.txt")];
    await world.run(["backup", "website"]); // makes the key file of the user
    const store = ["--store", world.storeUrl("store")];
    const env = { RESTBACKUP_KEY: ` ${byEnv.identity}\n` };
    const backup = (name: string) => ["backup", "website", "--name", name, ...store];
    await world.json([...backup("file"), "--key-file", byFile.file], { env });
    await world.json(backup("env"), { env });
    await world.json(backup("user"));
    const keys = { file: byFile.file, env: byEnv.file, user: world.keyFile };
    for (const [name, keyFile] of Object.entries(keys)) {
      const verified = await world.run(["verify", "--name", name, "--key-file", keyFile, ...store]);
      expect([name, verified.code]).toEqual([name, 0]);
    }
  });

  test("a passphrase is a key, too", async () => {
    const env = { RESTBACKUP_KEY: world.hide("correct horse battery staple") };
    const store = ["--store", world.storeUrl("store")];
    expect((await world.run([...store, "backup", "website"], { env })).code).toBe(0);
    expect((await world.run([...store, "verify"], { env })).code).toBe(0);
  });

  test("recipients alone mean a machine that cannot read back; a signing key proves it", async () => {
    await world.run(["backup", "website"]); // a key of the user, which must be left aside
    const key = await world.newKey("key.txt");
    const { signingKey, signer } = generateSigningKey();
    world.hide(signingKey);
    const signing = world.file("signing.txt", signingKey);
    const recipients = world.file("recipients.txt", `# ours\n${key.recipient}\n`);
    const store = ["--store", world.storeUrl("store")];
    const options = ["--recipients-file", recipients, "--signing-key-file", signing, ...store];
    const made = await world.json(["backup", "website", ...options]);
    expect(made.authenticated).toEqual(["signature"]);
    expect(made.restore).toContain(`--trusted-signer ${signer}`);

    expect((await world.run(["verify", ...store])).code).toBe(4);
    const read = ["verify", "--key-file", key.file, ...store];
    expect((await world.run(read)).code).toBe(5);
    expect((await world.run([...read, "--trusted-signer", signer])).code).toBe(0);
    const file = world.file("signers.txt", `# the web server\n${signer}\n`);
    expect((await world.run([...read, "--trusted-signers-file", file])).code).toBe(0);
    const env = { RESTBACKUP_TRUSTED_SIGNERS: signer };
    const verified = await world.json(read, { env });
    expect(verified.authenticity).toEqual({ by: "signer", signer });
  });

  test("a key that was named, with recipients: both open it, and the key proves it", async () => {
    const [ours, other] = [await world.newKey("ours.txt"), await world.newKey("other.txt")];
    const store = ["--store", world.storeUrl("store")];
    const options = ["--recipient", other.recipient, "--key-file", ours.file, ...store];
    expect((await world.json(["backup", "website", ...options])).authenticated).toEqual(["key"]);
    expect((await world.run(["verify", "--key-file", ours.file, ...store])).code).toBe(0);
    const allow = ["--allow-unauthenticated", "--key-file", other.file, ...store];
    expect((await world.run(["verify", ...allow])).code).toBe(0);
  });

  test("variables set to nothing are refused, not taken for unset", async () => {
    for (const name of ["RESTBACKUP_ACCESS_URL", "RESTBACKUP_KEY", "RESTBACKUP_SIGNING_KEY"]) {
      const { code, stderr } = await world.run(["backup", "website"], { env: { [name]: "" } });
      expect([name, code]).toEqual([name, 2]);
      expect(stderr).toContain(`${name} is set, but empty`);
    }
    expect(existsSync(world.storeFolder)).toBe(false);
  });

  test("a server, by variable, file or option; its password is never shown", async () => {
    const server = await startServer();
    world.hide(server.password);
    try {
      const env = { RESTBACKUP_ACCESS_URL: server.accessUrl };
      const key = await world.newKey("key.txt");
      const args = ["backup", "website", "--key-file", key.file];
      const byVariable = await world.run(args, { env });
      expect(byVariable.code).toBe(0);
      expect(byVariable.stdout).toContain(`at       ${server.url}`);
      const file = world.file("access-url.txt", `${server.accessUrl}\n`);
      const byFile = await world.run([...args, "--access-url-file", file]);
      expect(byFile.code).toBe(0);
      expect(byFile.stdout).toContain(`--access-url-file ${file}`);
      const byOption = await world.run([...args, "--store", server.accessUrl]);
      expect(byOption.code).toBe(0);
      expect(byOption.stdout).toContain("RESTBACKUP_ACCESS_URL=… restbackup restore");
      expect((await world.json(["list"], { env })).entries).toHaveLength(3);
      const both = ["--store", server.accessUrl, "--access-url-file", file];
      expect((await world.run(["list", ...both])).code).toBe(2);
    } finally {
      await server.close();
    }
  });
});

test("a key file that others can read works, with a warning; one that is none says so", async () => {
  const { file } = await world.newKey("key.txt");
  chmodSync(file, 0o644);
  const store = ["--store", world.storeUrl("store")];
  const backup = ["backup", "website", "--key-file"];
  const open = await world.run([...backup, file, ...store]);
  expect(open.code).toBe(0);
  expect(open.stderr).toContain(`others can read the key file ${file}`);
  chmodSync(file, 0o600);
  expect((await world.run([...backup, file, ...store])).stderr).not.toContain("others can read");

  const missing = await world.run([...backup, "missing.txt", ...store]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("there is no such file");
  const typo = world.hide("AGE-SECRET-KEY-1NOTREALLYAKEY");
  const wrong = await world.run([...backup, world.file("wrong.txt", typo), ...store]);
  expect(wrong.code).toBe(2);
});

test("secrets typed in the wrong place are not repeated", async () => {
  const url = "https://someone:verysecretpassword@backup.example/";
  world.hide("verysecretpassword");
  const { identity } = await world.newKey("key.txt");
  writeFileSync(join(world.work, "x"), "");
  for (const args of [
    [url],
    [`--stroe=${url}`, "list", "--json"],
    ["list", url],
    ["list", `--acces-url=${url}`],
    ["restore", url, "--json"],
    ["backup", url],
    ["backup", "x", "--recipient", identity],
    [`--key=${identity}`, "list"],
    ["show", identity],
    ["list", "--name", url],
    ["account", "create", "--data", "data", "--host", url],
  ]) {
    const { code, stderr } = await world.run(args, { env: { RESTBACKUP_DEBUG: "1" } });
    expect([args[0], code === 2 || code === 3]).toEqual([args[0], true]);
    expect(stderr).not.toBe("");
  }
});
