import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSigningKey } from "../../src/encryption/signing.ts";
import { VERSION } from "../../src/version.ts";
import { World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const world = new World();
beforeAll(async () => {
  await world.run(["backup", "website"]);
});
afterAll(() => world.remove());

/** Runs the program with its standard output on a device that is always full. */
function onFullDisk(args: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: world.work,
    env: { PATH: process.env.PATH, HOME: world.home, TMPDIR: world.temporary },
    stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
    encoding: "utf8",
    timeout: 30_000,
  });
  return { code: status, stderr };
}

describe.runIf(existsSync("/dev/full"))("a result that cannot be printed is a failure", () => {
  test.each([
    [["keygen"]],
    [["list"]],
    [["list", "--json"]],
    [["show"]],
    [["--help"]],
    [["--version"]],
    [["completion", "bash"]],
    [["serve", "--data", "data", "--listen", "127.0.0.1:0"]],
  ])("%j: 1, in a sentence", (args) => {
    const { code, stderr } = onFullDisk(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^(restbackup: |{"error".*)The result could not be printed: .*ENOSPC/m);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("a backup that was made is said to be made, and an account to be of no use", async () => {
    const backup = onFullDisk(["backup", "website", "--name", "unprinted"]);
    expect(backup.code).toBe(1);
    expect(backup.stderr).toContain("was done; only the report of it is lost");
    expect((await world.run(["verify", "--name", "unprinted"])).code).toBe(0);
    expect(onFullDisk(["backup", "website", "--quiet"]).code).toBe(0);

    const account = onFullDisk(["account", "create", "--data", "data"]);
    expect(account.code).toBe(1);
    expect(account.stderr).toMatch(/The account \w+ was made, but its password is lost: /);
  });
});

test.skipIf(process.platform === "win32")("a file that takes only a part is a failure", () => {
  const file = join(world.root, "printed");
  // Node leaves SIGXFSZ aside: the first write is short, the next one fails with EFBIG.
  const script = `ulimit -f 1; exec "$1" "$2" keygen --post-quantum > "$3"`;
  const { status, stderr } = spawnSync("sh", ["-c", script, "sh", process.execPath, MAIN, file], {
    env: { PATH: process.env.PATH, HOME: world.home },
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(stderr).toMatch(/^restbackup: The result could not be printed: EFBIG/m);
  expect(status).toBe(1);
});

describe("--verbose", () => {
  test("says which program, store, key, recipients and objects, and no secret", async () => {
    const key = await world.newKey("key.txt");
    const other = await world.newKey("other.txt");
    const { signingKey, signer } = generateSigningKey();
    const signing = world.file("signing.txt", world.hide(signingKey));
    const url = world.storeUrl("store");
    const env = { RESTBACKUP_ACCESS_URL: url, RESTBACKUP_KEY: key.identity };
    const { code, stderr, stdout } = await world.run(
      [
        ...["--verbose", "backup", "website", "--recipient", other.recipient],
        ...["--signing-key-file", signing],
      ],
      { env },
    );
    expect(code).toBe(0);
    expect(stderr).toContain(`restbackup ${VERSION}, Node ${process.versions.node}`);
    expect(stderr).toContain(`store: ${url}, from RESTBACKUP_ACCESS_URL`);
    expect(stderr).toContain(`key: ${key.recipient}, from RESTBACKUP_KEY`);
    expect(stderr).toContain(`recipient: ${other.recipient}`);
    expect(stderr).toContain(`signs as: ${signer}`);
    const [, entry] = /^Backed up (\S+)$/m.exec(stdout)!;
    expect(stderr).toMatch(new RegExp(`^object: ${entry}, \\d+ bytes, SHA-256 [0-9a-f]{64}$`, "m"));

    const passphrase = { ...env, RESTBACKUP_KEY: world.hide("correct horse battery staple") };
    const verify = ["verify", "--trusted-signer", signer, "--verbose"];
    const refused = await world.run(verify, { env: passphrase });
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("key: a passphrase, from RESTBACKUP_KEY");
    expect(refused.stderr).toContain(`trusts: ${signer}`);
    const verified = await world.run(verify, { env });
    expect(verified.stderr).toContain(`object: ${entry}, `);
  });

  test("the defaults are named as such, and it is silent unless asked", async () => {
    const { stderr } = await world.run(["verify", "--name", "website", "--verbose"]);
    expect(stderr).toContain(`${world.storeFolder}, the default`);
    expect(stderr).toContain(`, from ${world.keyFile}`);
    expect((await world.run(["verify", "--name", "website"])).stderr).toBe("");
  });

  test("with --json: JSON lines on stderr, and still one document on stdout", async () => {
    const { stdout, stderr } = await world.run(["list", "--json", "--verbose"]);
    expect(JSON.parse(stdout).entries.length).toBeGreaterThan(0);
    for (const line of stderr.trim().split("\n")) {
      expect(JSON.parse(line)).toEqual({ detail: { message: expect.any(String) } });
    }
  });

  test("with --quiet it is a contradiction: 2", async () => {
    const { code, stderr } = await world.run(["list", "--quiet", "--verbose"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--quiet and --verbose");
  });
});

describe("--retries", () => {
  // Port 1 is nobody's: connections are refused at once.
  const env = { RESTBACKUP_ACCESS_URL: "http://user:Secret4retry@127.0.0.1:1/" };

  test.each([0, 1])("%i: a request that failed is sent again as often", async (retries) => {
    world.hide("Secret4retry");
    const args = ["list", "--verbose", "--retries", String(retries)];
    const { code, stderr } = await world.run(args, { env });
    expect(code).toBe(6);
    expect(stderr).toContain("store: http://127.0.0.1:1/, from RESTBACKUP_ACCESS_URL");
    const told = stderr.match(/^retry: in \d\.\d s, as this failed: Cannot list /gm) ?? [];
    expect(told).toHaveLength(retries);
  });

  test.each(["-1", "1.5", "101", "many", ""])("%j: 2, in a sentence", async (retries) => {
    const { code, stderr } = await world.run(["list", `--retries=${retries}`], { env });
    expect(code).toBe(2);
    expect(stderr).toBe("restbackup: --retries is a whole number from 0 to 100.\n");
  });
});

test("the command that restores works for a name like an option", async () => {
  const made = await world.run(["backup", "website", "--name", "-x"]);
  expect(made.code).toBe(0);
  const command = /^ {2}restbackup (restore .*)$/m.exec(made.stdout)![1]!.split(" ");
  expect((await world.run(command)).code).toBe(0);
  expect(readdirSync(join(world.work, "-x-restored"))).toEqual(readdirSync(world.tree));
});

test("keygen says what is wrong with the file it is to write", async () => {
  writeFileSync(join(world.work, "plain"), "");
  const below = await world.run(["keygen", "-o", "plain/key.txt"]);
  expect(below.code).toBe(1);
  expect(below.stderr).toMatch(/^restbackup: Cannot write plain\/key\.txt: /);
  const empty = await world.run(["keygen", "-o", ""]);
  expect(empty.code).toBe(2);
  expect(empty.stderr).toMatch(/^restbackup: --output is empty\.$/m);
});

test.skipIf(process.platform === "win32")("a current folder that is gone is said to be", () => {
  const gone = join(world.root, "gone");
  mkdirSync(gone);
  const script = `cd "$1" && rmdir "$1" && exec "$2" "$3" list`;
  const { status, stderr } = spawnSync("sh", ["-c", script, "sh", gone, process.execPath, MAIN], {
    env: { PATH: process.env.PATH, HOME: world.home },
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^restbackup: The current folder does not exist any more\.$/m);
});
