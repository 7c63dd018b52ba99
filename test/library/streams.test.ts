import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { beforeAll, describe, expect, test } from "vitest";
import {
  decryptAge,
  decryptChlorocrypt,
  encryptAge,
  encryptChlorocrypt,
  generateIdentity,
  nodeTransform,
  parseKey,
  type SecretKey,
  type StreamStep,
  verifyAge,
  verifyChlorocrypt,
  webTransform,
} from "../../src/index.ts";

const CONTENT = randomBytes(200_001);
const PASSPHRASE = "correct horse battery staple";

let key: SecretKey;
beforeAll(async () => {
  key = await parseKey((await generateIdentity()).identity);
});

interface Steps {
  readonly encrypt: StreamStep;
  readonly verify: StreamStep;
  readonly decrypt: StreamStep;
}

const FORMATS: readonly (readonly [string, Steps])[] = [
  [
    "age",
    {
      encrypt: (source) => encryptAge(source, { key }),
      verify: (source) => verifyAge(source, key),
      decrypt: (source) => decryptAge(source, key),
    },
  ],
  [
    "chlorocrypt",
    {
      encrypt: (source) => encryptChlorocrypt(source, PASSPHRASE),
      verify: (source) => verifyChlorocrypt(source, PASSPHRASE),
      decrypt: (source) => decryptChlorocrypt(source, PASSPHRASE),
    },
  ],
];

const content = () => Readable.from([CONTENT.subarray(0, 77_777), CONTENT.subarray(77_777)]);

async function throughWeb(bytes: Uint8Array, ...steps: StreamStep[]): Promise<Buffer> {
  let stream = new Response(new Uint8Array(bytes)).body! as ReadableStream<Uint8Array>;
  for (const step of steps) stream = stream.pipeThrough(webTransform(step));
  return Buffer.from(await new Response(stream).arrayBuffer());
}

async function throughNode(bytes: Uint8Array, ...steps: StreamStep[]): Promise<Buffer> {
  const out = new PassThrough();
  const [pieces] = await Promise.all([
    Array.fromAsync(out as AsyncIterable<Buffer>),
    pipeline([Readable.from([bytes]), ...steps.map((step) => nodeTransform(step)), out]),
  ]);
  return Buffer.concat(pieces);
}

describe.each(FORMATS)("%s", (_, { encrypt, verify, decrypt }) => {
  test.each([
    ["web streams", throughWeb],
    ["Node streams", throughNode],
  ])("goes through %s: encrypted, verified, decrypted", async (_kind, through) => {
    expect((await through(CONTENT, encrypt, verify, decrypt)).equals(CONTENT)).toBe(true);
    const encrypted = await through(CONTENT, encrypt);
    expect((await through(encrypted, verify)).equals(encrypted)).toBe(true);
  });

  test.each([
    ["web streams", throughWeb],
    ["Node streams", throughNode],
  ])("fails in %s with what is wrong", async (_kind, through) => {
    const encrypted = await through(CONTENT, encrypt);
    encrypted[encrypted.length - 40_000]! ^= 1;
    for (const step of [verify, decrypt]) {
      await expect(through(encrypted, step)).rejects.toMatchObject({
        name: "RestbackupError",
        code: "damaged",
      });
    }
  });

  test("goes into pipeline() as it is", async () => {
    const out = new PassThrough();
    const all = Array.fromAsync(out as AsyncIterable<Buffer>);
    await pipeline(content(), encrypt, decrypt, out);
    expect(Buffer.concat(await all).equals(CONTENT)).toBe(true);
  });

  test.each([1, 2, 5])(
    "lets its source go when the reader of a web stream leaves after %i reads",
    async (reads) => {
      let [begun, closed] = [false, false];
      async function* endless(): AsyncGenerator<Uint8Array> {
        begun = true;
        try {
          for (;;) yield CONTENT;
        } finally {
          closed = true;
        }
      }
      const source = ReadableStream.from<Uint8Array>(endless());
      const reader = source.pipeThrough(webTransform(encrypt)).getReader();
      for (let i = 0; i < reads; i++) expect((await reader.read()).done).toBe(false);
      // What comes first may be made before the source is touched.
      await expect.poll(() => begun).toBe(true);
      await reader.cancel(new Error("enough"));
      await expect.poll(() => closed).toBe(true);
    },
  );
});
