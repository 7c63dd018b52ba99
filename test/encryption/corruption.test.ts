import { beforeAll, describe, expect, test } from "vitest";
import { openAge } from "../../src/encryption/age.ts";
import { generateIdentity, parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import { decrypt, encrypt, quickPassphrase, rangeOf, refusalOf, sampleBytes } from "./world.ts";

const PLAIN = sampleBytes(24);

const KINDS: readonly { kind: string; bits: readonly number[]; make: () => Promise<SecretKey> }[] =
  [
    {
      kind: "an identity",
      bits: [0, 1, 2, 3, 4, 5, 6, 7],
      make: async () => parseKey((await generateIdentity()).identity),
    },
    {
      kind: "a post-quantum identity",
      // Its header is ten times as long, and each try ten times as slow.
      bits: [0],
      make: async () => parseKey((await generateIdentity({ postQuantum: true })).identity),
    },
    {
      kind: "a passphrase",
      bits: [0, 1, 2, 3, 4, 5, 6, 7],
      make: async () => quickPassphrase("correct horse battery"),
    },
  ];

describe.each(KINDS)("a file encrypted to $kind", ({ bits, make }) => {
  let key: SecretKey;
  let file: Buffer;

  beforeAll(async () => {
    key = await make();
    file = await encrypt({ key }, PLAIN);
  });

  async function codeOf(changed: Uint8Array): Promise<string> {
    return (await refusalOf(() => decrypt(changed, key))).code;
  }

  test("opens as long as nothing is changed", async () => {
    expect(await decrypt(file, key)).toEqual(PLAIN);
  });

  test("is refused when any byte is changed", async () => {
    const codes = new Set<string>();
    for (let at = 0; at < file.length; at += 1) {
      for (const bit of bits) {
        const changed = Buffer.from(file);
        changed[at]! ^= 1 << bit;
        codes.add(await codeOf(changed));
      }
    }
    // Both happen: a stanza changed beyond recognition is to nobody we know.
    expect([...codes].sort()).toEqual(["damaged", "wrong-key"]);
  });

  test("is refused when it is cut short anywhere", async () => {
    for (let length = 0; length < file.length; length += 1) {
      expect(await codeOf(file.subarray(0, length)), `cut to ${length}`).toBe("damaged");
    }
  });

  test("is refused when anything is added", async () => {
    for (const more of [1, 15, 16, 17, 65_536, 65_552]) {
      expect(await codeOf(Buffer.concat([file, Buffer.alloc(more)])), `${more} more`).toBe(
        "damaged",
      );
    }
  });
});

describe("a file of several chunks", () => {
  const ENCRYPTED_CHUNK = 65_552;
  let key: SecretKey;
  let file: Buffer;
  let payload: number;

  beforeAll(async () => {
    key = await parseKey((await generateIdentity()).identity);
    file = await encrypt({ key }, sampleBytes(3 * 65_536));
    payload = file.length - 3 * ENCRYPTED_CHUNK;
  });

  test("is refused before anything is read when it lacks whole chunks at its end", async () => {
    for (const kept of [0, 1, 2]) {
      const cut = file.subarray(0, payload + kept * ENCRYPTED_CHUNK);
      const error = await refusalOf(() => openAge(rangeOf(cut), key));
      expect(error.code).toBe("damaged");
    }
  });

  test("is refused when chunks changed places", async () => {
    const chunk = (index: number) =>
      file.subarray(payload + index * ENCRYPTED_CHUNK, payload + (index + 1) * ENCRYPTED_CHUNK);
    const swapped = Buffer.concat([file.subarray(0, payload), chunk(1), chunk(0), chunk(2)]);
    expect((await refusalOf(() => decrypt(swapped, key))).code).toBe("damaged");
  });

  test("hands out no byte of a damaged chunk, and every byte of the others", async () => {
    const changed = Buffer.from(file);
    changed[payload + ENCRYPTED_CHUNK + 5]! ^= 1;
    const plaintext = await openAge(rangeOf(changed), key);
    const got: Buffer[] = [];
    const error = await refusalOf(async () => {
      for await (const piece of plaintext.read(0, plaintext.size)) got.push(Buffer.from(piece));
    });
    expect(error.code).toBe("damaged");
    expect(Buffer.concat(got)).toEqual(sampleBytes(3 * 65_536).subarray(0, 65_536));
  });

  test("has no byte outside itself", async () => {
    const plaintext = await openAge(rangeOf(file), key);
    expect(() => plaintext.read(0, plaintext.size + 1)).toThrow(RangeError);
    expect(() => plaintext.read(-1, 1)).toThrow(RangeError);
    expect(() => plaintext.read(2, 1)).toThrow(RangeError);
  });
});

test("a header that never ends is not read beyond 1 MiB", async () => {
  const endless = Buffer.concat([
    Buffer.from("age-encryption.org/v1\n"),
    Buffer.alloc(2 ** 21, "-> a\n"),
  ]);
  const source = rangeOf(endless);
  let furthest = 0;
  const watched: typeof source = {
    size: source.size,
    read: (start, end) => {
      furthest = Math.max(furthest, end);
      return source.read(start, end);
    },
  };
  const key = await parseKey((await generateIdentity()).identity);
  expect((await refusalOf(() => openAge(watched, key))).code).toBe("damaged");
  expect(furthest).toBe(2 ** 20);
});

test("another's key is told apart from damage", async () => {
  const mine = await parseKey((await generateIdentity()).identity);
  const others = await parseKey((await generateIdentity()).identity);
  const passphrase = quickPassphrase("correct horse battery");
  const toMe = await encrypt({ key: mine }, PLAIN);
  const toPassphrase = await encrypt({ key: passphrase }, PLAIN);
  for (const [file, key] of [
    [toMe, others],
    [toMe, passphrase],
    [toPassphrase, mine],
    [toPassphrase, quickPassphrase("correct horse batterz")],
  ] as const) {
    expect((await refusalOf(() => decrypt(file, key))).code).toBe("wrong-key");
  }
});
