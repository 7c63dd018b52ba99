import { bech32 } from "@scure/base";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type ByteRange, readBytes } from "../../src/byte-range.ts";
import { createAgePrologue, openAge } from "../../src/encryption/age.ts";
import {
  generateIdentity,
  parseKey,
  parseRecipients,
  type Recipient,
  type SecretKey,
} from "../../src/encryption/keys.ts";
import { decrypt, encrypt, quickPassphrase, rangeOf, refusalOf, sampleBytes } from "./world.ts";

interface Pair {
  readonly identity: string;
  readonly key: SecretKey;
  readonly recipient: Recipient;
}

async function newPair(postQuantum = false): Promise<Pair> {
  const { identity, recipient } = await generateIdentity({ postQuantum });
  const [parsed] = await parseRecipients(recipient);
  return { identity, key: await parseKey(identity), recipient: parsed! };
}

/** Sizes around the ends of chunks, where mistakes live, and any others. */
const size = fc.oneof(
  fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073),
  fc.integer({ min: 0, max: 300_000 }),
);

describe("any input", () => {
  let classic: Pair;
  let quantum: Pair;

  beforeAll(async () => {
    classic = await newPair();
    quantum = await newPair(true);
  });

  test("opens to itself, in whatever pieces it was written and is read", async () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    const pieceSize = fc.constantFrom(1_000, 16_384, 65_536, 65_552, 10_000_000);
    await fc.assert(
      fc.asyncProperty(size, cuts, pieceSize, fc.boolean(), async (length, at, pieces, pq) => {
        const plain = sampleBytes(length);
        const bounds = [
          0,
          ...at.map((part) => Math.floor(part * length)).sort((a, b) => a - b),
          length,
        ];
        const split = bounds.slice(1).map((end, index) => plain.subarray(bounds[index], end));
        const { key } = pq ? quantum : classic;
        const file = await encrypt({ key }, ...split);
        const opened = await openAge(rangeOf(file, pieces), key);
        expect(opened.size).toBe(length);
        expect((await readBytes(opened, 0, length)).equals(plain)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("can be read from any position to any other", async () => {
    // Beyond the 16 chunks that are decrypted together.
    const plain = sampleBytes(20 * 65_536 + 77);
    const opened = await openAge(rangeOf(await encrypt(classic, plain), 50_000), classic.key);
    const position = fc.oneof(
      fc.integer({ min: 0, max: plain.length }),
      fc
        .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -1, max: 1 }))
        .map(([chunk, off]) => Math.max(0, chunk * 65_536 + off)),
    );
    await fc.assert(
      fc.asyncProperty(position, position, async (one, other) => {
        const [start, end] = [Math.min(one, other), Math.max(one, other)];
        const got = await readBytes(opened, start, end);
        expect(got.equals(plain.subarray(start, end))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("reads of a few bytes ask the source for their chunk and nothing else", async () => {
    const file = await encrypt(classic, sampleBytes(1_000_000));
    const source = rangeOf(file);
    let asked = 0;
    const counting: ByteRange = {
      size: source.size,
      read: (start, end) => {
        asked += end - start;
        return source.read(start, end);
      },
    };
    const opened = await openAge(counting, classic.key);
    asked = 0;
    await readBytes(opened, 500_000, 500_010);
    expect(asked).toBe(65_552);
  });

  test("is never encrypted to the same bytes twice", async () => {
    const [one, other] = [
      await encrypt(classic, sampleBytes(100)),
      await encrypt(classic, sampleBytes(100)),
    ];
    expect(one.subarray(-116).equals(other.subarray(-116))).toBe(false);
  });
});

describe.each([
  { kind: "X25519", postQuantum: false },
  { kind: "post-quantum", postQuantum: true },
])("$kind keys", ({ postQuantum }) => {
  test("open what was encrypted to several recipients, each of them, and nobody else", async () => {
    const pairs = await Promise.all([
      newPair(postQuantum),
      newPair(postQuantum),
      newPair(postQuantum),
    ]);
    const [writer, ...readers] = pairs;
    const file = await encrypt(
      { key: writer!.key, recipients: readers.map(({ recipient }) => recipient) },
      sampleBytes(10),
    );
    for (const { key } of pairs) expect(await decrypt(file, key)).toEqual(sampleBytes(10));
    const stranger = await newPair(postQuantum);
    expect((await refusalOf(() => decrypt(file, stranger.key))).code).toBe("wrong-key");
  });

  test("are not needed to write: a recipient is enough", async () => {
    const { key, recipient } = await newPair(postQuantum);
    const file = await encrypt({ recipients: [recipient] }, sampleBytes(10));
    expect(await decrypt(file, key)).toEqual(sampleBytes(10));
  });

  test("rotate: the first of several is encrypted to, and each of them opens", async () => {
    const [newest, older, oldest] = [
      await newPair(postQuantum),
      await newPair(postQuantum),
      await newPair(),
    ];
    const ring = await parseKey([newest, older, oldest].map(({ identity }) => identity).join("\n"));
    const file = await encrypt({ key: ring }, sampleBytes(10));
    expect(await decrypt(file, newest.key)).toEqual(sampleBytes(10));
    expect((await refusalOf(() => decrypt(file, older.key))).code).toBe("wrong-key");
    for (const { key } of [newest, older, oldest]) {
      expect(await decrypt(await encrypt({ key }, sampleBytes(10)), ring)).toEqual(sampleBytes(10));
    }
  });
});

describe("what can be encrypted to", () => {
  test("is never a mix of post-quantum and other recipients", async () => {
    const [classic, quantum] = [await newPair(), await newPair(true)];
    for (const options of [
      { recipients: [classic.recipient, quantum.recipient] },
      { key: classic.key, recipients: [quantum.recipient] },
      { key: quantum.key, recipients: [classic.recipient] },
    ]) {
      expect((await refusalOf(() => encrypt(options))).code).toBe("usage");
    }
  });

  test("is a passphrase or recipients, not both", async () => {
    const { recipient } = await newPair();
    const options = { key: quickPassphrase("correct horse battery"), recipients: [recipient] };
    expect((await refusalOf(() => encrypt(options))).code).toBe("usage");
  });

  test("is something", async () => {
    expect((await refusalOf(() => encrypt({}))).code).toBe("usage");
    expect((await refusalOf(() => encrypt({ recipients: [] }))).code).toBe("usage");
  });

  test("holds each recipient once", async () => {
    const { key, recipient } = await newPair();
    const file = await encrypt({ key, recipients: [recipient, recipient] });
    expect(file.toString("latin1").split("\n-> ").length - 1).toBe(1);
  });
});

test("a recipient that is a point of low order is refused: it would hide nothing", async () => {
  const text = bech32.encodeFromBytes("age", new Uint8Array(32));
  const error = await refusalOf(async () =>
    createAgePrologue({ recipients: await parseRecipients(text) }),
  );
  expect(error.code).toBe("usage");
});
