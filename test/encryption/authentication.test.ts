import { createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { authenticate, checkAuthentication } from "../../src/encryption/authentication.ts";
import {
  type Authentication,
  parseAuthentication,
} from "../../src/encryption/authentication-record.ts";
import { generateIdentity, parseKey, type SecretKey } from "../../src/encryption/keys.ts";
import {
  generateSigningKey,
  parseSigningKey,
  parseTrustedSigners,
} from "../../src/encryption/signing.ts";
import vectors from "../vectors/encryption/authentication.json" with { type: "json" };
import { refusalOf, sampleBytes } from "./world.ts";

const DIGEST = sampleBytes(32);
const OTHER_DIGEST = Buffer.from(DIGEST).fill(1, 31);

function hmacSha256(key: Uint8Array, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** HKDF (RFC 5869, no salt, one block) and the HMAC, from their definitions. */
function expectedHmac(secret: Uint8Array, digest: Uint8Array): string {
  const pseudorandom = hmacSha256(new Uint8Array(32), secret);
  const key = hmacSha256(pseudorandom, "restbackup v1 contents hmac", Uint8Array.of(1));
  return hmacSha256(key, "restbackup v1 contents\0", digest).toString("hex");
}

const hex = (text: string) => Buffer.from(text, "hex");
const base64url = (text: string) => hex(text).toString("base64url");

describe("known answers", () => {
  test("are there to be checked", () => {
    expect([vectors.hmac.length, vectors.signature.length]).toEqual([3, 2]);
  });

  test.each(vectors.hmac)("HMAC by $what", async ({ key, secret, digest, hmac }) => {
    expect(expectedHmac(hex(secret), hex(digest))).toBe(hmac);
    const parsed = await parseKey(key);
    expect(authenticate(hex(digest), { key: parsed })).toEqual({ hmac });
    expect(checkAuthentication(hex(digest), { hmac }, { key: parsed })).toEqual({ by: "key" });
  });

  test.each(vectors.signature)("signature by the key of $what", (vector) => {
    const { seed, publicKey, signingKey, signer, digest, signature } = vector;
    const message = Buffer.concat([Buffer.from("restbackup v1 contents\0"), hex(digest)]);
    const jwk = { kty: "OKP", crv: "Ed25519", x: base64url(publicKey) };
    const secret = createPrivateKey({ format: "jwk", key: { ...jwk, d: base64url(seed) } });
    expect(sign(null, message, secret).toString("base64")).toBe(signature);
    const known = createPublicKey({ format: "jwk", key: jwk });
    expect(verify(null, message, known, Buffer.from(signature, "base64"))).toBe(true);

    const made = authenticate(hex(digest), { signingKey: parseSigningKey(signingKey) });
    expect(made).toEqual({ signature: { signer, value: signature } });
    const trustedSigners = parseTrustedSigners(signer);
    expect(checkAuthentication(hex(digest), made, { trustedSigners })).toEqual({
      by: "signer",
      signer,
    });
  });
});

describe("an HMAC", () => {
  let identities: string[];
  let ring: SecretKey;
  let stranger: SecretKey;

  beforeAll(async () => {
    const pairs = await Promise.all([
      generateIdentity(),
      generateIdentity({ postQuantum: true }),
      generateIdentity(),
    ]);
    identities = pairs.map(({ identity }) => identity);
    ring = await parseKey(identities.join("\n"));
    stranger = await parseKey((await generateIdentity()).identity);
  });

  test("by any of our identities proves the writer, also after rotation", async () => {
    for (const identity of identities) {
      const proof = authenticate(DIGEST, { key: await parseKey(identity) });
      expect(checkAuthentication(DIGEST, proof, { key: ring })).toEqual({ by: "key" });
    }
  });

  test("is made by the newest identity", async () => {
    const newest = await parseKey(identities[0]!);
    expect(authenticate(DIGEST, { key: ring })).toEqual(authenticate(DIGEST, { key: newest }));
  });

  test("by another's key proves nothing, nor without a key to check it", () => {
    const proof = authenticate(DIGEST, { key: stranger });
    expect(checkAuthentication(DIGEST, proof, { key: ring })).toBeUndefined();
    expect(checkAuthentication(DIGEST, proof, {})).toBeUndefined();
  });

  test("of other contents proves nothing", () => {
    const proof = authenticate(DIGEST, { key: ring });
    expect(checkAuthentication(OTHER_DIGEST, proof, { key: ring })).toBeUndefined();
  });

  test("by a passphrase proves the writer to who knows it", async () => {
    const key = await parseKey("correct horse battery staple");
    const proof = authenticate(DIGEST, { key });
    expect(checkAuthentication(DIGEST, proof, { key })).toEqual({ by: "key" });
    const other = await parseKey("correct horse battery stable");
    expect(checkAuthentication(DIGEST, proof, { key: other })).toBeUndefined();
  });
});

describe("a signature", () => {
  const mine = generateSigningKey();
  const others = generateSigningKey();
  const signingKey = parseSigningKey(mine.signingKey);
  const proof = authenticate(DIGEST, { signingKey });

  test("by a trusted signer proves the writer, and says which", () => {
    const trustedSigners = parseTrustedSigners([others.signer, mine.signer.toUpperCase()]);
    expect(checkAuthentication(DIGEST, proof, { trustedSigners })).toEqual({
      by: "signer",
      signer: mine.signer,
    });
  });

  test("by anyone else proves nothing", () => {
    const trustedSigners = parseTrustedSigners(others.signer);
    expect(checkAuthentication(DIGEST, proof, { trustedSigners })).toBeUndefined();
    expect(checkAuthentication(DIGEST, proof, {})).toBeUndefined();
  });

  test("by anyone else, said to be a trusted signer's, proves nothing", () => {
    const forged = { signature: { signer: others.signer, value: proof.signature!.value } };
    const trustedSigners = parseTrustedSigners(others.signer);
    expect(checkAuthentication(DIGEST, forged, { trustedSigners })).toBeUndefined();
  });

  test("of other contents proves nothing, nor does a changed one", () => {
    const trustedSigners = parseTrustedSigners(mine.signer);
    expect(checkAuthentication(OTHER_DIGEST, proof, { trustedSigners })).toBeUndefined();
    for (let at = 0; at < 64; at += 1) {
      const value = Buffer.from(proof.signature!.value, "base64");
      value[at]! ^= 1;
      const changed = { signature: { signer: mine.signer, value: value.toString("base64") } };
      expect(checkAuthentication(DIGEST, changed, { trustedSigners })).toBeUndefined();
    }
  });

  test("counts where the HMAC beside it is another's", async () => {
    const theirs = await parseKey((await generateIdentity()).identity);
    const key = await parseKey((await generateIdentity()).identity);
    const both = authenticate(DIGEST, { key: theirs, signingKey });
    const trustedSigners = parseTrustedSigners(mine.signer);
    expect(checkAuthentication(DIGEST, both, { key, trustedSigners })).toMatchObject({
      by: "signer",
    });
    expect(checkAuthentication(DIGEST, both, { key: theirs, trustedSigners })).toEqual({
      by: "key",
    });
  });
});

describe("a proof read from an archive", () => {
  const signature = authenticate(DIGEST, {
    signingKey: parseSigningKey(generateSigningKey().signingKey),
  }).signature!;
  const hmac = expectedHmac(DIGEST, DIGEST);

  test("is what was written", () => {
    const proofs: Authentication[] = [{}, { hmac }, { signature }, { hmac, signature }];
    for (const proof of proofs) {
      expect(parseAuthentication(JSON.parse(JSON.stringify(proof)))).toEqual(proof);
    }
  });

  test("of no proof is none", () => {
    expect(authenticate(DIGEST, {})).toEqual({});
    expect(checkAuthentication(DIGEST, {}, { trustedSigners: [] })).toBeUndefined();
  });

  test.each([
    undefined,
    null,
    true,
    1,
    "",
    [],
    { hmac: null },
    { hmac: 1 },
    { hmac: "" },
    { hmac: hmac.slice(1) },
    { hmac: `${hmac}0` },
    { hmac: `${hmac}\n` },
    { hmac: hmac.toUpperCase() },
    { hmac: [hmac] },
    { signature: null },
    { signature: signature.value },
    { signature: [] },
    { signature: { signer: signature.signer } },
    { signature: { value: signature.value } },
    { signature: { ...signature, value: "" } },
    { signature: { ...signature, value: `${signature.value}=` } },
    { signature: { ...signature, value: ` ${signature.value}` } },
    { signature: { ...signature, value: signature.value.replaceAll("=", "") } },
    { signature: { ...signature, value: hmac } },
    // The same 64 bytes, written with a bit set that stands for nothing.
    { signature: { ...signature, value: signature.value.replace(/.==$/, "B==") } },
    { signature: { ...signature, signer: "" } },
    { signature: { ...signature, signer: "Mallory" } },
    { signature: { ...signature, signer: `${signature.signer}\u001b[2J` } },
  ])("is refused as damaged when it is %j", async (junk) => {
    expect((await refusalOf(() => parseAuthentication(junk))).code).toBe("damaged");
  });

  test("is refused as damaged, or is a proof, whatever it is", () => {
    const junk = fc.oneof(
      fc.anything(),
      fc.record({ hmac: fc.anything(), signature: fc.anything() }, { requiredKeys: [] }),
      fc.record({ signature: fc.record({ signer: fc.anything(), value: fc.anything() }) }),
    );
    fc.assert(
      fc.property(junk, (value) => {
        let parsed: Authentication;
        try {
          parsed = parseAuthentication(value);
        } catch (error) {
          expect(error).toMatchObject({ name: "RestbackupError", code: "damaged" });
          return;
        }
        expect(checkAuthentication(DIGEST, parsed, {})).toBeUndefined();
      }),
    );
  });
});
