import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseKey } from "../../src/encryption/keys.ts";
import { parseSigningKey } from "../../src/encryption/signing.ts";
import { World } from "./world.ts";

describe.concurrent("commands", () => {
  const world = new World();
  afterAll(() => world.remove());

  test("keygen writes a key that age tools read, for its owner alone, and never over another", async () => {
    const file = join(world.root, "new", "key.txt");
    const made = await world.run(["keygen", "-o", file]);
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/^age1[a-z0-9]{58}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^# created: .*\n# public key: age1.*\nAGE-SECRET-KEY-1[A-Z0-9]+\n$/);
    const key = await parseKey(text);
    expect(key.recipients[0]!.text).toBe(made.stdout.trim());

    const again = await world.run(["keygen", "-o", file]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("exists already");
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("keygen without -o prints the key, and its public half apart", async () => {
    const { stdout, stderr } = await world.run(["keygen"], { showsSecrets: true });
    const [recipient] = (await parseKey(stdout)).recipients;
    expect(stderr).toBe(`Recipient: ${recipient!.text}\n`);
    const json = await world.json(["keygen", "--post-quantum"], { showsSecrets: true });
    expect(json.recipient).toMatch(/^age1pq1/);
    expect((await parseKey(String(json.identity))).recipients[0]!.text).toBe(json.recipient);
  });

  test("keygen --signing makes a signing key, and prints the signer to trust", async () => {
    const file = join(world.root, "signing.txt");
    const { stdout } = await world.run(["keygen", "--signing", "-o", file]);
    expect(parseSigningKey(readFileSync(file, "utf8")).signer).toBe(stdout.trim());
    expect((await world.run(["keygen", "--signing", "--post-quantum"])).code).toBe(2);
  });

  test("show lists like tar, with links, and control characters made visible", async () => {
    const store = ["--store", world.storeUrl("shown")];
    const { file } = await world.newKey("shown.txt");
    writeFileSync(join(world.tree, "red\u001b[31m"), "");
    const all = ["--key-file", file, ...store];
    await world.run(["backup", "website", "--exclude", "docs", ...all]);
    const { stdout } = await world.run(["show", ...all]);
    expect(stdout).toContain("2 files, 1 folder, 2 links");
    expect(stdout).toMatch(/^-rw-r--r-- +15 \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ index\.html$/m);
    expect(stdout).toMatch(/^lrwxrwxrwx +0 .* link -> index\.html$/m);
    expect(stdout).toMatch(/^h.* same\.html link to index\.html$/m);
    expect(stdout).toMatch(/ red\\x1b\[31m$/m);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain("docs");
  });

  test("list shows time, age, size, and which sets are incomplete", async () => {
    const { file } = await world.newKey("listed.txt");
    const store = ["--store", world.storeUrl("listed")];
    const made = await world.json(["backup", "website", "--key-file", file, ...store]);
    world.file(`listed/website-20260101T000000Z.tar.zst.age.000`, "interrupted");
    const { stdout } = await world.run(["list", ...store]);
    expect(stdout).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ .*(ago|now) +[\d.]+ (B|KiB) {2}website/m,
    );
    expect(stdout).toContain(made.entry);
    expect(stdout).toMatch(/website-20260101T000000Z\.tar\.zst\.age {2}\(incomplete/);
    const latest = await world.json(["verify", "--key-file", file, ...store]);
    expect(latest.entry).toBe(made.entry);
  });

  test("restore puts back only what --include names, over what is there with --overwrite", async () => {
    const { file } = await world.newKey("included.txt");
    const all = ["--key-file", file, "--store", world.storeUrl("included")];
    await world.run(["backup", "website", "--name", "sites/website", ...all]);
    const part = await world.json(["restore", "--to", "part", "--include", "docs", ...all]);
    expect(part.totals).toMatchObject({ files: 1 });
    writeFileSync(join(world.work, "part", "mine"), "stays");
    writeFileSync(join(world.work, "part", "docs", "a b.txt"), "changed");
    const over = ["restore", "--to", "part", "--overwrite", ...all];
    expect((await world.run(over)).code).toBe(0);
    expect(readFileSync(join(world.work, "part", "docs", "a b.txt"), "utf8")).toBe("text\n");
    expect(readFileSync(join(world.work, "part", "mine"), "utf8")).toBe("stays");

    // Without --to: ./NAME, here of two parts.
    expect((await world.run(["restore", ...all])).code).toBe(0);
    const restored = join(world.work, "sites", "website", "index.html");
    expect(readFileSync(restored, "utf8")).toBe("<h1>hello</h1>\n");
    expect((await world.run(["restore", "--include", "nothing", "--to", "n", ...all])).code).toBe(
      3,
    );
  });

  test("what cannot be taken is said while it happens, at the end, and when it is restored", async () => {
    const { file } = await world.newKey("warned.txt");
    const all = ["--key-file", file, "--store", world.storeUrl("warned")];
    execFileSync("mkfifo", [join(world.root, "pipe")]);
    const made = await world.run(["backup", join(world.root, "pipe"), world.tree, ...all]);
    expect(made.code).toBe(0);
    expect(made.stderr).toMatch(/^warning: pipe: left out: /m);
    expect(made.stdout).toMatch(/warnings +1, above/);
    const restored = await world.run(["restore", "--to", "warned", "--quiet", ...all]);
    expect(restored).toEqual({ code: 0, stdout: "", stderr: "" });
    const shown = await world.run(["show", ...all]);
    expect(shown.stdout).toContain("not taken as it was: pipe: left out");
  });

  test("RESTBACKUP_DEBUG=1 adds where an error came from", async () => {
    const list = ["list", "--store", world.storeUrl("nowhere")];
    const plain = await world.run(list);
    const debug = await world.run(list, { env: { RESTBACKUP_DEBUG: "1" } });
    expect([plain.code, debug.code]).toEqual([3, 3]);
    expect(plain.stderr).not.toMatch(/^ {4}at /m);
    expect(debug.stderr).toMatch(/^ {4}at /m);
    expect(debug.stderr.startsWith(plain.stderr)).toBe(true);
  });
});
