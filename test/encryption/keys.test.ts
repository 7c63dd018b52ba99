import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateIdentity, parseKey, parseRecipients } from "../../src/encryption/keys.ts";
import {
  generateSigningKey,
  parseSigningKey,
  parseTrustedSigners,
} from "../../src/encryption/signing.ts";
import { RestbackupError } from "../../src/errors.ts";
import { decrypt, encrypt, refusalOf, sampleBytes } from "./world.ts";

const classic = await generateIdentity();
const quantum = await generateIdentity({ postQuantum: true });
const signing = generateSigningKey();
const PASSPHRASE = "correct horse battery staple";

type Parser = (text: string) => unknown;
const PARSERS: readonly Parser[] = [
  parseKey,
  parseRecipients,
  parseSigningKey,
  parseTrustedSigners,
];

/** Everything of an error that could be printed. */
function shown(error: RestbackupError): string {
  return `${error.message}\n${error.hint}\n${error.stack}\n${inspect(error, { depth: null })}`;
}

/** Whether 8 characters in a row of a secret, its known prefix aside, stand in a text. */
function reveals(text: string, secret: string): boolean {
  const known = /^(AGE-SECRET-KEY-(PQ-)?1|RESTBACKUP-SIGNING-KEY-1)/;
  const data = secret.replace(known, "").toLowerCase();
  const where = text.toLowerCase();
  for (let at = 0; at + 8 <= data.length; at += 1) {
    if (where.includes(data.slice(at, at + 8))) return true;
  }
  return false;
}

async function outcomeOf(doing: () => unknown): Promise<unknown> {
  try {
    await doing();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A text with one character changed, left out, added or swapped, or cut at its end. */
function mistyped(text: string): fc.Arbitrary<string> {
  const at = fc.nat(text.length - 1);
  const character = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
  const alphabet = fc.constantFrom(..."023456789ACDEFGHJKLMNPQRSTUVWXYZ");
  const any = fc.oneof(
    character,
    alphabet,
    alphabet.map((letter) => letter.toLowerCase()),
  );
  return (
    fc
      .oneof(
        fc.tuple(at, any).map(([i, c]) => text.slice(0, i) + c + text.slice(i + 1)),
        fc.tuple(at, any).map(([i, c]) => text.slice(0, i) + c + text.slice(i)),
        at.map((i) => text.slice(0, i) + text.slice(i + 1)),
        at.map((i) => text.slice(0, i) + text.charAt(i + 1) + text.charAt(i) + text.slice(i + 2)),
        at.map((i) => text.slice(0, i)),
      )
      // White space around it does not count, and a line with # in front is a comment.
      .filter((changed) => changed.trim() !== text && !changed.trimStart().startsWith("#"))
  );
}

const SECRETS = [
  { what: "an identity", secret: classic.identity, parse: parseKey as Parser },
  { what: "a post-quantum identity", secret: quantum.identity, parse: parseKey as Parser },
  { what: "a signing key", secret: signing.signingKey, parse: parseSigningKey as Parser },
];

describe.each(SECRETS)("$what", ({ secret, parse }) => {
  test("is refused when anything in it is mistyped, and is not in the refusal", async () => {
    await fc.assert(
      fc.asyncProperty(mistyped(secret), async (changed) => {
        const error = await refusalOf(() => parse(changed));
        expect(error.code).toBe("usage");
        expect(reveals(shown(error), secret)).toBe(false);
      }),
      { numRuns: 1500 },
    );
  });

  test("is refused when its beginning is missing", async () => {
    for (let lost = 1; lost <= 30; lost += 1) {
      const error = await refusalOf(() => parse(secret.slice(lost)));
      expect(error.code).toBe("usage");
      expect(reveals(shown(error), secret)).toBe(false);
    }
  });

  test("is never shown, wherever it is given by mistake", async () => {
    for (const parser of PARSERS.filter((other) => other !== parse)) {
      for (const text of [secret, secret.toLowerCase(), `age1 ${secret}`, `${secret}\n${secret}`]) {
        const error = await refusalOf(() => parser(text));
        expect(error.code).toBe("usage");
        expect(reveals(shown(error), secret)).toBe(false);
      }
      await fc.assert(
        fc.asyncProperty(mistyped(secret), async (changed) => {
          // What a parser takes instead, it does not print.
          const error = await outcomeOf(() => parser(changed));
          expect(error === undefined || error instanceof RestbackupError).toBe(true);
          expect(reveals(inspect(error, { depth: null }), secret)).toBe(false);
        }),
      );
    }
  });
});

describe.each([
  { what: "a recipient", text: classic.recipient, parse: parseRecipients as Parser },
  { what: "a post-quantum recipient", text: quantum.recipient, parse: parseRecipients as Parser },
  { what: "a signer", text: signing.signer, parse: parseTrustedSigners as Parser },
])("$what", ({ text, parse }) => {
  test("is refused when anything in it is mistyped", async () => {
    // A comma at an end separates nothing.
    const changes = mistyped(text).filter((changed) => changed.replaceAll(/[\s,]+/g, "") !== text);
    await fc.assert(
      fc.asyncProperty(
        changes.filter((changed) => changed !== ""),
        async (changed) => {
          expect((await refusalOf(() => parse(changed))).code).toBe("usage");
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a key", () => {
  test.each([
    ["as it is", (key: string) => key],
    ["with a newline after it", (key: string) => `${key}\n`],
    ["with CRLF after it", (key: string) => `${key}\r\n`],
    ["with white space around it", (key: string) => ` \t\n\n  ${key} \t\r\n\n`],
    ["with a byte order mark before it", (key: string) => `\ufeff${key}\n`],
    ["with comments around it", (key: string) => `# created: today\n  # mine\n\n${key}\n# end`],
    ["with comments and CRLF", (key: string) => `# created: today\r\n${key}\r\n`],
  ])("works %s", async (_, wrap) => {
    expect((await parseKey(wrap(classic.identity))).recipients).toEqual([
      { text: classic.recipient },
    ]);
    expect((await parseKey(wrap(quantum.identity))).recipients).toEqual([
      { text: quantum.recipient },
    ]);
    expect(parseSigningKey(wrap(signing.signingKey)).signer).toBe(signing.signer);
    expect(await parseRecipients(wrap(classic.recipient))).toEqual([{ text: classic.recipient }]);
    expect(parseTrustedSigners(wrap(signing.signer))).toEqual([{ text: signing.signer }]);
  });

  test("of several identities keeps their order", async () => {
    const key = await parseKey(`${quantum.identity}\r\n# older\r\n${classic.identity}\r\n`);
    expect(key.kind).toBe("identities");
    expect(key.recipients.map(({ text }) => text)).toEqual([quantum.recipient, classic.recipient]);
  });

  test("of several identities with a bad one is refused, saying which", async () => {
    const text = `${classic.identity}\n# older\n${quantum.identity.slice(0, -1)}`;
    const error = await refusalOf(() => parseKey(text));
    expect(error.code).toBe("usage");
    expect(error.message).toContain("Identity 2");
    expect(reveals(shown(error), quantum.identity)).toBe(false);
  });

  test("that is a passphrase opens the same with white space around it", async () => {
    const file = await encrypt({ key: await parseKey(`  ${PASSPHRASE}\r\n`) }, sampleBytes(5));
    expect(await decrypt(file, await parseKey(PASSPHRASE))).toEqual(sampleBytes(5));
  });

  test.each([
    ["empty", ""],
    ["white space", " \r\n\t\n"],
    ["comments alone", "# created: today\n# nothing\n"],
    ["a short passphrase", "hunter2"],
    ["seven characters outside the first plane", "😀😀😀😀😀😀😀"],
    ["several lines of a passphrase", "correct horse\nbattery staple"],
    ["a passphrase with a control character", "correct\u0000horse battery"],
    ["a passphrase that is not Unicode", "correct horse \ud800 battery"],
    ["a recipient", classic.recipient],
    ["a post-quantum recipient", quantum.recipient],
    ["a signer", signing.signer],
    ["a signing key", signing.signingKey],
    ["an identity in small letters", classic.identity.toLowerCase()],
    ["an identity of a plugin", "AGE-PLUGIN-YUBIKEY-1QQPQZRFYTS9HSRDHTCG4Q7E9"],
    ["a PEM key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END"],
    ["an SSH key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1tZGVz"],
    ["an expression", "$" + "{{ secrets.RESTBACKUP_KEY }}"],
    ["a variable", "$RESTBACKUP_KEY"],
    ["a variable in braces", "$" + "{RESTBACKUP_KEY}"],
    ["a command", "$(cat key.txt)"],
  ])("that is %s is refused, in words that do not repeat it", async (_, text) => {
    const error = await refusalOf(() => parseKey(text));
    expect(error.code).toBe("usage");
    expect(error.hint).toBeDefined();
    for (const line of text.split(/[\r\n]+/).filter((part) => part.trim().length >= 7)) {
      expect(shown(error)).not.toContain(line);
    }
  });

  test("printed shows nothing of itself", async () => {
    const keys = [
      [await parseKey(classic.identity), classic.identity],
      [await parseKey(quantum.identity), quantum.identity],
      [await parseKey(PASSPHRASE), PASSPHRASE],
      [parseSigningKey(signing.signingKey), signing.signingKey],
    ] as const;
    for (const [key, secret] of keys) {
      const printed = [
        inspect(key, { depth: null, showHidden: true, getters: true }),
        JSON.stringify(key),
        String(key),
        JSON.stringify(Object.getOwnPropertyDescriptors(key)),
      ].join("\n");
      expect(reveals(printed, secret)).toBe(false);
    }
  });
});

describe("recipients", () => {
  test("may be separated by lines, white space and commas, and are taken once", async () => {
    const both = [{ text: classic.recipient }, { text: quantum.recipient }];
    for (const text of [
      `${classic.recipient},${quantum.recipient}`,
      `${classic.recipient} ,\t${quantum.recipient},`,
      `# ours\r\n${classic.recipient}\r\n# theirs\r\n${quantum.recipient}\r\n`,
      [classic.recipient, `${quantum.recipient}\n${classic.recipient}`],
    ]) {
      expect(await parseRecipients(text)).toEqual(both);
    }
    expect(await parseRecipients("")).toEqual([]);
  });

  test.each([
    ["a passphrase", PASSPHRASE],
    ["a signer", signing.signer],
    ["an SSH key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1tZGVz"],
    [
      "a hardware tag recipient",
      "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e",
    ],
    ["in capitals", classic.recipient.toUpperCase()],
  ])("that are %s are refused", async (_, text) => {
    expect((await refusalOf(() => parseRecipients(text))).code).toBe("usage");
  });

  test("that are a passphrase are refused without showing it", async () => {
    const error = await refusalOf(() => parseRecipients(PASSPHRASE));
    expect(reveals(shown(error), PASSPHRASE)).toBe(false);
  });
});

test("made keys are ones we take", async () => {
  expect(classic.identity).toMatch(/^AGE-SECRET-KEY-1/);
  expect(classic.recipient).toMatch(/^age1/);
  expect(quantum.identity).toMatch(/^AGE-SECRET-KEY-PQ-1/);
  expect(quantum.recipient).toMatch(/^age1pq1/);
  expect(signing.signingKey).toMatch(/^RESTBACKUP-SIGNING-KEY-1/);
  expect((await generateIdentity()).identity).not.toBe(classic.identity);
  expect(generateSigningKey().signingKey).not.toBe(signing.signingKey);
});
