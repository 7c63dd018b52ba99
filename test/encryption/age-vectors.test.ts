import { inflateSync } from "node:zlib";
import * as vectors from "cctv-age";
import { describe, expect, test } from "vitest";
import { parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { decrypt, quickPassphrase, refusalOf, sha256 } from "./world.ts";

/** A C2SP age test vector: lines `key: value`, an empty line, the age file, perhaps compressed. */
interface Vector {
  readonly name: string;
  readonly expect: string;
  /** SHA-256 of the plaintext. */
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly passphrases: readonly string[];
  readonly armored: boolean;
  readonly file: Buffer;
}

const KNOWN = [
  "expect",
  "payload",
  "file key",
  "identity",
  "passphrase",
  "armored",
  "compressed",
  "comment",
];

function parseVector(name: string, bytes: Uint8Array): Vector {
  const text = Buffer.from(bytes);
  const headEnd = text.indexOf("\n\n");
  const fields = text
    .toString("utf8", 0, headEnd)
    .split("\n")
    .map((line) => {
      const colon = line.indexOf(": ");
      return { key: line.slice(0, colon), value: line.slice(colon + 2) };
    });
  for (const { key } of fields) expect(KNOWN, `field of ${name}`).toContain(key);
  const all = (key: string) =>
    fields.filter((field) => field.key === key).map(({ value }) => value);
  const body = text.subarray(headEnd + 2);
  return {
    name,
    expect: all("expect")[0]!,
    payload: all("payload")[0],
    identities: all("identity"),
    passphrases: all("passphrase"),
    armored: all("armored")[0] === "yes",
    file: all("compressed")[0] === "zlib" ? inflateSync(body) : body,
  };
}

const ALL = Object.entries(vectors)
  .filter(([name]) => name !== "default" && name !== "module.exports")
  .map(([name, bytes]) => parseVector(name, bytes));
/** Archives are stored in binary: the text form is recognised and refused. */
const ARMORED = ALL.filter(({ armored }) => armored);
const BINARY = ALL.filter(({ armored }) => !armored);

/** What each kind of failure is called here. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  "no match": "wrong-key",
  "HMAC failure": "damaged",
  "header failure": "damaged",
  "payload failure": "damaged",
};

/** Our own way to a key wherever the vector's is one we take; a minimum length aside, all are. */
async function keyOf({ identities, passphrases }: Vector): Promise<SecretKey> {
  const [first, ...more] = passphrases;
  if (first !== undefined) return quickPassphrase(first, ...more);
  // A vector without a key fails before one is needed.
  return parseKey(identities.join("\n") || "any passphrase");
}

function countBy<T>(items: readonly T[], kind: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[kind(item)] = (counts[kind(item)] ?? 0) + 1;
  return counts;
}

describe("the C2SP age vectors", () => {
  test("are all here: a kind that is not run would be missed", () => {
    expect(countBy(BINARY, ({ name }) => name.split("_")[0]!)).toEqual({
      empty: 1,
      header: 1,
      hmac: 8,
      hybrid: 18,
      scrypt: 25,
      stanza: 14,
      stream: 28,
      version: 1,
      x25519: 14,
    });
    expect(countBy(BINARY, (vector) => vector.expect)).toEqual({
      success: 19,
      "no match": 12,
      "HMAC failure": 1,
      "header failure": 60,
      "payload failure": 18,
    });
    expect(ARMORED.length).toBe(33);
    expect(ARMORED.every(({ name }) => name.startsWith("armor_"))).toBe(true);
  });

  test.each(BINARY.filter((vector) => vector.expect === "success"))(
    "$name opens to the plaintext it was made from",
    async (vector) => {
      expect(sha256(await decrypt(vector.file, await keyOf(vector)))).toBe(vector.payload);
    },
  );

  test.each(BINARY.filter((vector) => vector.expect !== "success"))(
    "$name is refused: $expect",
    async (vector) => {
      const key = await keyOf(vector);
      const error = await refusalOf(() => decrypt(vector.file, key));
      expect(error.code).toBe(CODES[vector.expect]);
    },
  );

  test.each(ARMORED)("$name is refused, being in the text form", async (vector) => {
    const key = await keyOf(vector);
    expect((await refusalOf(() => decrypt(vector.file, key))).code).toBe("damaged");
  });
});
