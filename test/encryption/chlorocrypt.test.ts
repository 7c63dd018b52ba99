import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  ChlorocryptError,
  chlorocryptSize,
  decryptChlorocrypt,
  encryptChlorocrypt,
  verifyChlorocrypt,
} from "../../src/encryption/chlorocrypt.ts";
import { RestbackupError } from "../../src/errors.ts";
import {
  decryptByTheBook,
  encryptByTheBook,
  macByTheBook,
  randomsOf,
  unmacByTheBook,
} from "./chlorocrypt-by-the-book.ts";

interface Vector {
  readonly file: string;
  readonly passphrase: string;
  readonly plaintextBytes: number;
  readonly plaintextSha256: string;
  readonly encryptedBytes: number;
}

const VECTORS = new URL("../vectors/chlorocrypt/", import.meta.url);
const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("manifest.json", VECTORS), "utf8"),
);

const PASSPHRASE = "correct horse battery staple";
/** Of one full block of AES output with its MAC, and of the salt before all. */
const BLOCK = 65_536 + 32;
const SALT = 16;

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces));
}

interface Refused {
  /** Undefined for what was taken as whole. */
  readonly error: unknown;
  /** What came before that. */
  readonly released: Buffer;
}

async function attempt(pieces: AsyncIterable<Uint8Array>): Promise<Refused> {
  const got: Uint8Array[] = [];
  try {
    for await (const piece of pieces) got.push(piece);
  } catch (error) {
    return { error, released: Buffer.concat(got) };
  }
  return { error: undefined, released: Buffer.concat(got) };
}

/** What a changed file is refused for, after checking that nothing wrong was given out before. */
async function faultOf(changed: Buffer, file: Buffer, plain: Buffer): Promise<string> {
  const decrypted = await attempt(decryptChlorocrypt([changed], PASSPHRASE));
  const verified = await attempt(verifyChlorocrypt([changed], PASSPHRASE));
  if (!(decrypted.error instanceof ChlorocryptError)) return "none";
  expect(verified.error).toMatchObject({ fault: decrypted.error.fault });
  const isPrefix = (part: Buffer, whole: Buffer) =>
    part.length <= whole.length && part.equals(whole.subarray(0, part.length));
  expect(isPrefix(decrypted.released, plain), "plaintext is right").toBe(true);
  expect(isPrefix(verified.released, file), "ciphertext is right").toBe(true);
  return decrypted.error.fault;
}

describe.each(vectors)("the vector $file", (vector) => {
  const file = readFileSync(new URL(vector.file, VECTORS));

  test("decrypts to its plaintext", async () => {
    const plain = await collect(decryptChlorocrypt([file], vector.passphrase));
    expect(plain.length).toBe(vector.plaintextBytes);
    expect(createHash("sha256").update(plain).digest("hex")).toBe(vector.plaintextSha256);
  });

  test("passes verification unchanged", async () => {
    expect(await collect(verifyChlorocrypt([file], vector.passphrase))).toEqual(file);
  });

  test("is what its plaintext encrypts to by the description, and has the size we foresee", async () => {
    const plain = decryptByTheBook(file, vector.passphrase);
    expect(encryptByTheBook(plain, vector.passphrase, randomsOf(file))).toEqual(file);
    expect(chlorocryptSize(vector.plaintextBytes)).toBe(vector.encryptedBytes);
    expect(file.length).toBe(vector.encryptedBytes);
  });

  test("encrypts anew to a file that is right to the byte by the description", async () => {
    const plain = decryptByTheBook(file, vector.passphrase);
    const again = await collect(encryptChlorocrypt([plain], vector.passphrase));
    expect(again).not.toEqual(file);
    expect(again).toEqual(encryptByTheBook(plain, vector.passphrase, randomsOf(again)));
  });
});

describe("any content", () => {
  const passphrases = fc.oneof(
    fc.constant(PASSPHRASE),
    fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.isWellFormed()),
  );
  /** Around the ends of AES blocks and of MAC blocks, where mistakes live. */
  const sizes = fc.oneof(
    fc.nat(300),
    fc
      .tuple(fc.constantFrom(0, 1, 2, 3), fc.integer({ min: -50, max: 50 }))
      .map(([blocks, off]) => Math.max(0, blocks * 65_536 + off)),
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 });

  /** The bytes in pieces whose lengths go round and round. */
  function* pieces(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
    // One memory for all, as sources may have it.
    const memory = Buffer.alloc(Math.max(...lengths));
    for (let at = 0, index = 0; at < bytes.length; index += 1) {
      const length = Math.min(lengths[index % lengths.length]!, bytes.length - at);
      memory.fill(0xee);
      memory.set(bytes.subarray(at, at + length));
      yield memory.subarray(0, length);
      at += length;
    }
  }

  test("comes back, in whatever pieces it is given, by us and by the description", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, passphrases, cuts, async (size, passphrase, lengths) => {
        const plain = randomBytes(size);
        const file = await collect(encryptChlorocrypt(pieces(plain, lengths), passphrase));
        expect(file.length).toBe(chlorocryptSize(size));
        expect(decryptByTheBook(file, passphrase).equals(plain)).toBe(true);
        const decrypted = await collect(decryptChlorocrypt(pieces(file, lengths), passphrase));
        expect(decrypted.equals(plain)).toBe(true);
        const verified = await collect(verifyChlorocrypt(pieces(file, lengths), passphrase));
        expect(verified.equals(file)).toBe(true);
      }),
      // Pieces of one byte make many steps: those are drawn, but not for ever.
      { numRuns: 60 },
    );
  });

  test("is never encrypted alike twice", async () => {
    const [one, two] = await Promise.all([
      collect(encryptChlorocrypt([Buffer.alloc(64)], PASSPHRASE)),
      collect(encryptChlorocrypt([Buffer.alloc(64)], PASSPHRASE)),
    ]);
    for (let at = 0; at < one.length; at += 16) {
      expect(one.subarray(at, at + 16)).not.toEqual(two.subarray(at, at + 16));
    }
  });
});

describe("a small file", () => {
  const plain = Buffer.from("forty bytes of plain text, no more than.");
  let file: Buffer;
  beforeAll(async () => {
    file = await collect(encryptChlorocrypt([plain], PASSPHRASE));
  });

  test("is refused, and gives out nothing, when any bit of it is changed", async () => {
    for (let bit = 0; bit < file.length * 8; bit += 1) {
      const changed = Buffer.from(file);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const { error, released } = await attempt(decryptChlorocrypt([changed], PASSPHRASE));
      expect(error).toMatchObject({ code: "wrong-key", fault: "passphrase-or-damage" });
      expect(released.length).toBe(0);
    }
  });

  test("is refused when it is cut short anywhere", async () => {
    for (let length = 0; length < file.length; length += 1) {
      const fault = await faultOf(file.subarray(0, length), file, plain);
      // What is left has the length of a smaller file: then its MAC tells, which is none.
      const plausible = length >= 16 + 48 + 32 && (length - 16 - 32) % 16 === 0;
      expect(fault, `cut to ${length}`).toBe(plausible ? "passphrase-or-damage" : "truncation");
    }
  });

  test("is refused when anything is added", async () => {
    for (const more of [1, 15, 16, 31, 32, 48, 65_536, 70_000]) {
      const longer = Buffer.concat([file, randomBytes(more)]);
      expect(await faultOf(longer, file, plain), `${more} more`).not.toBe("none");
    }
  });

  test("is refused with another passphrase, in words that do not show it", async () => {
    const { error, released } = await attempt(decryptChlorocrypt([file], "another passphrase"));
    expect(error).toMatchObject({ code: "wrong-key", fault: "passphrase-or-damage" });
    expect(String(error)).not.toContain("another passphrase");
    expect(released.length).toBe(0);
  });
});

describe("a file of several blocks", () => {
  let plain: Buffer;
  let file: Buffer;
  const block = (index: number) =>
    file.subarray(SALT + index * BLOCK, Math.min(SALT + (index + 1) * BLOCK, file.length));
  const assembled = (...indexes: number[]) =>
    Buffer.concat([file.subarray(0, SALT), ...indexes.map(block)]);

  beforeAll(async () => {
    // Ends of blocks that do not look like padding by chance.
    plain = Buffer.alloc(3 * 65_536 + 100, "plain text ");
    file = await collect(encryptChlorocrypt([plain], PASSPHRASE));
  });

  test("is refused where it is damaged, after what stands before that was given out", async () => {
    for (const [at, fault] of [
      [5, "passphrase-or-damage"],
      [SALT + 40, "passphrase-or-damage"],
      [SALT + BLOCK - 1, "passphrase-or-damage"],
      [SALT + BLOCK, "damage"],
      [SALT + 2 * BLOCK + 9, "damage"],
    ] as const) {
      const changed = Buffer.from(file);
      changed[at]! ^= 1;
      expect(await faultOf(changed, file, plain), `at ${at}`).toBe(fault);
    }
    const changed = Buffer.from(file);
    changed[SALT + BLOCK]! ^= 1;
    const { released } = await attempt(decryptChlorocrypt([changed], PASSPHRASE));
    // All of the first block but its last 16 bytes, which may be padding.
    expect(released.length).toBe(65_536 - 32 - 16);
  });

  test("is refused when blocks are reordered, left out, repeated or put in from another file", async () => {
    expect(assembled(0, 1, 2, 3)).toEqual(file);
    for (const order of [
      [1, 0, 2, 3],
      [0, 2, 1, 3],
      [0, 0, 1, 2, 3],
      [0, 1, 1, 2, 3],
      [0, 1, 3],
      [1, 2, 3],
      [0, 1, 2, 3, 3],
      [3],
    ]) {
      expect(await faultOf(assembled(...order), file, plain), order.join(" ")).not.toBe("none");
    }
    const other = await collect(encryptChlorocrypt([plain], PASSPHRASE));
    const mixed = Buffer.concat([
      file.subarray(0, SALT + BLOCK),
      other.subarray(SALT + BLOCK, SALT + 2 * BLOCK),
      file.subarray(SALT + 2 * BLOCK),
    ]);
    expect(await faultOf(mixed, file, plain)).toBe("damage");
  });

  test("is refused when its last MAC is repeated, which would be right for an empty block", async () => {
    const repeated = Buffer.concat([file, file.subarray(-32)]);
    expect(await faultOf(repeated, file, plain)).not.toBe("none");
    const full = await collect(encryptChlorocrypt([Buffer.alloc(65_536 - 33)], PASSPHRASE));
    expect(full.length).toBe(SALT + BLOCK);
    const longer = Buffer.concat([full, full.subarray(-32)]);
    expect(await faultOf(longer, full, Buffer.alloc(65_536 - 33))).toBe("truncation");
  });

  test("is refused when it is cut anywhere around the ends of its blocks", async () => {
    for (const end of [SALT + BLOCK, SALT + 2 * BLOCK, SALT + 3 * BLOCK, file.length]) {
      for (let off = -66; off <= 66; off += 1) {
        if (end + off >= file.length) break;
        const fault = await faultOf(file.subarray(0, end + off), file, plain);
        expect(fault, `cut to ${end + off}`).not.toBe("none");
        if (off === 0) expect(fault).toBe("padding");
      }
    }
  });

  test("cut right after a MAC is taken as whole where its last byte looks like padding: the format's limit", async () => {
    // docs/chlorocrypt.md, "What the format cannot tell".
    const unlucky = Buffer.from(plain);
    unlucky[65_536 - 32 - 1] = 1;
    const whole = await collect(encryptChlorocrypt([unlucky], PASSPHRASE));
    const cut = await attempt(decryptChlorocrypt([whole.subarray(0, SALT + BLOCK)], PASSPHRASE));
    expect(cut.error).toBeUndefined();
    expect(cut.released).toEqual(unlucky.subarray(0, 65_536 - 32 - 1));
  });
});

describe("files that only a holder of the passphrase could make wrong", () => {
  const made = (change: (aes: Buffer) => Buffer, size = 40): Buffer => {
    const randoms = {
      macSalt: randomBytes(16),
      aesSalt: randomBytes(16),
      iv: randomBytes(16),
    };
    const right = encryptByTheBook(Buffer.alloc(size, "x"), PASSPHRASE, randoms);
    return macByTheBook(change(unmacByTheBook(right, PASSPHRASE)), PASSPHRASE, randoms.macSalt);
  };
  const plain = Buffer.alloc(40, "x");

  test.each([
    ["an AES part that is no multiple of 16", (aes: Buffer) => aes.subarray(0, -1), "truncation"],
    ["no AES part but its salt and IV", (aes: Buffer) => aes.subarray(0, 32), "truncation"],
    ["no full salt for AES", (aes: Buffer) => aes.subarray(0, 16), "truncation"],
    ["no padding", (aes: Buffer) => aes.subarray(0, -16), "padding"],
  ] as const)("are refused: %s", async (_, change, fault) => {
    const file = made(change);
    expect(await faultOf(file, file, plain)).toBe(fault);
  });

  test("are right as long as nothing is changed", async () => {
    expect(await collect(decryptChlorocrypt([made((aes) => aes)], PASSPHRASE))).toEqual(plain);
  });
});

test("a passphrase that is empty or not Unicode is refused before anything is read", async () => {
  for (const passphrase of ["", "\ud800"]) {
    for (const work of [encryptChlorocrypt, decryptChlorocrypt, verifyChlorocrypt]) {
      const { error, released } = await attempt(work([Buffer.alloc(200)], passphrase));
      expect(error).toBeInstanceOf(RestbackupError);
      expect(error).toMatchObject({ code: "usage" });
      expect(released.length).toBe(0);
    }
  }
});

test("a source that fails makes the stream fail alike, and one that is left is closed", async () => {
  const file = await collect(encryptChlorocrypt([Buffer.alloc(200_000)], PASSPHRASE));
  let closed = 0;
  async function* failing(bytes: Buffer, fail: boolean) {
    try {
      yield bytes.subarray(0, 150_000);
      if (fail) throw new Error("the network is gone");
      yield bytes.subarray(150_000);
    } finally {
      closed += 1;
    }
  }
  for (const work of [encryptChlorocrypt, decryptChlorocrypt, verifyChlorocrypt]) {
    const { error } = await attempt(work(failing(file, true), PASSPHRASE));
    if (work !== encryptChlorocrypt) expect(String(error)).toContain("the network is gone");
    const stream = work(failing(file, false), PASSPHRASE);
    await stream.next();
    await stream.next();
    await stream.next();
    await stream.return();
  }
  expect(closed).toBe(6);
});
