import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateIdentity, parseKey, parseRecipients } from "../../src/encryption/keys.ts";
import { requireProgram } from "../support/programs.ts";
import { decrypt, encrypt, quickPassphrase, sampleBytes, sha256 } from "./world.ts";

const SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 2 ** 20 + 1];
const PASSPHRASE = "correct horse battery staple";
/** age itself always takes about a second and 256 MiB to make one: two sizes will do. */
const SIZES_BY_PASSPHRASE = [0, 65_537];

/** Runs its arguments on a terminal of their own and answers every question for a passphrase. */
const ANSWER = `
import os, pty, re, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown, answered = b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    asked = len(re.findall(rb"passphrase[^:\\n]*: ", shown))
    while answered < asked:
        os.write(terminal, os.environ["ANSWER"].encode() + b"\\n")
        answered += 1
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if status != 0:
    sys.stderr.buffer.write(shown)
sys.exit(status)
`;

const haveAge = requireProgram("age", "the age program opens our files, and we open its");
/** Python drives terminals where there are any; Windows has none of that kind. */
const haveTerminal =
  haveAge &&
  process.platform !== "win32" &&
  requireProgram("python3", "the age program and we open each other's passphrase files");

let folder: string;
let files = 0;

function newFile(content: Uint8Array): string {
  files += 1;
  const path = join(folder, String(files));
  writeFileSync(path, content);
  return path;
}

function age(args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync("age", args, { input: input ?? "", maxBuffer: 2 ** 24 });
}

/**
 * With an output file, as a terminal would garble what is printed. It is there beforehand, since
 * older versions of age never make it where there is nothing to write.
 */
function ageOnTerminal(args: readonly string[], input: Uint8Array): Buffer {
  const output = newFile(new Uint8Array(0));
  execFileSync("python3", ["-c", ANSWER, "age", ...args, "-o", output, newFile(input)], {
    env: { ...process.env, ANSWER: PASSPHRASE },
  });
  return readFileSync(output);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "restbackup-age-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!haveAge)("with an identity", () => {
  let identity: string;
  let recipient: string;
  let identityFile: string;

  beforeAll(async () => {
    ({ identity, recipient } = await generateIdentity());
    identityFile = newFile(Buffer.from(`${identity}\n`));
  });

  test.each(SIZES)("we open what age encrypted: %i bytes", async (size) => {
    const plain = sampleBytes(size);
    const opened = await decrypt(age(["-r", recipient], plain), await parseKey(identity));
    expect(sha256(opened)).toBe(sha256(plain));
  });

  test.each(SIZES)("age opens what we encrypted: %i bytes", async (size) => {
    const plain = sampleBytes(size);
    const file = await encrypt({ key: await parseKey(identity) }, plain);
    expect(sha256(age(["-d", "-i", identityFile], file))).toBe(sha256(plain));
  });

  test("each opens what the other encrypted to several recipients", async () => {
    const others = await Promise.all([generateIdentity(), generateIdentity()]);
    const recipients = [...others.map((other) => other.recipient), recipient];
    const plain = sampleBytes(1000);
    const ours = await encrypt({ recipients: await parseRecipients(recipients) }, plain);
    expect(age(["-d", "-i", identityFile], ours)).toEqual(plain);
    const theirs = age(
      recipients.flatMap((text) => ["-r", text]),
      plain,
    );
    for (const key of [identity, ...others.map((other) => other.identity)]) {
      expect(await decrypt(theirs, await parseKey(key))).toEqual(plain);
    }
  });

  test.skipIf(!requireProgram("age-keygen", "keys of age-keygen are taken as they are"))(
    "a file of age-keygen is a key as it is",
    async () => {
      const text = execFileSync("age-keygen", { stdio: ["ignore", "pipe", "ignore"] }).toString();
      const key = await parseKey(text);
      expect(text).toContain(`# public key: ${key.recipients[0]!.text}\n`);
      const theirs = age(["-r", key.recipients[0]!.text], sampleBytes(10));
      expect(await decrypt(theirs, key)).toEqual(sampleBytes(10));
    },
  );
});

describe.skipIf(!haveTerminal)("with a passphrase", () => {
  test.each(SIZES_BY_PASSPHRASE)("we open what age encrypted: %i bytes", async (size) => {
    const plain = sampleBytes(size);
    const file = ageOnTerminal(["-p"], plain);
    expect(sha256(await decrypt(file, await parseKey(PASSPHRASE)))).toBe(sha256(plain));
  });

  test.each(SIZES)("age opens what we encrypted: %i bytes", async (size) => {
    const plain = sampleBytes(size);
    const file = await encrypt({ key: quickPassphrase(PASSPHRASE) }, plain);
    expect(sha256(ageOnTerminal(["-d"], file))).toBe(sha256(plain));
  });

  test("age opens what we encrypt to a passphrase in earnest", async () => {
    const file = await encrypt({ key: await parseKey(PASSPHRASE) }, sampleBytes(1000));
    expect(file.toString("latin1")).toMatch(/\n-> scrypt \S+ 18\n/);
    expect(ageOnTerminal(["-d"], file)).toEqual(sampleBytes(1000));
  });
});
