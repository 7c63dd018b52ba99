import { createHash, createHmac, createPublicKey, hkdfSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { bech32 } from "@scure/base";
import { Decrypter } from "age-encryption";

/**
 * A reader of docs/format.md, version 1, that shares nothing with the product: written from the
 * document, so that the document is known to suffice. Holds everything in memory.
 */

export interface Read {
  readonly index: Record<string, unknown> & { readonly archive: string; readonly tarSize: number };
  readonly entries: readonly Record<string, unknown>[];
  readonly proof: "hmac" | "signature" | "none";
  readonly tar: Buffer;
}

interface FileFields {
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly sha256: string;
}

export async function readArchive(
  files: readonly string[],
  key: { readonly identity?: string; readonly passphrase?: string; readonly signer?: string },
): Promise<Read> {
  const decrypter = new Decrypter();
  if (key.identity !== undefined) decrypter.addIdentity(key.identity);
  if (key.passphrase !== undefined) decrypter.addPassphrase(key.passphrase);
  const stored = Buffer.concat(files.map((file) => readFileSync(file)));
  const stream = Buffer.from(await decrypter.decrypt(stored));

  // "Seek table"
  const count = stream.readUInt32LE(stream.length - 9);
  if (stream.readUInt32LE(stream.length - 4) !== 0x8f92eab1) throw new Error("no seek table");
  const tableSize = 8 + 8 * count + 9;
  const table = stream.subarray(stream.length - tableSize);
  if (table.readUInt32LE(0) !== 0x184d2a5e) throw new Error("no skippable frame");
  if (table.readUInt32LE(4) !== tableSize - 8) throw new Error("wrong length");
  const parts: Buffer[] = [];
  let position = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const compressed = table.readUInt32LE(8 + 8 * i);
    const decompressed = table.readUInt32LE(12 + 8 * i);
    if (decompressed > 0) {
      const content = zstdDecompressSync(stream.subarray(position, position + compressed));
      if (content.length !== decompressed) throw new Error("frame of another size");
      parts.push(content);
    }
    last = position;
    position += compressed;
  }
  if (position !== stream.length - tableSize) throw new Error("the seek table does not add up");
  const tar = Buffer.concat(parts);

  // "Contents list"
  const contents = stream.subarray(last, position);
  if (contents.readUInt32LE(0) !== 0x184d2a52) throw new Error("no contents list");
  if (contents.readUInt32LE(4) !== contents.length - 8) throw new Error("wrong length");
  if (contents.toString("latin1", contents.length - 8) !== "RESTBKUP") throw new Error("no footer");
  const indexLength = contents.readUInt32LE(contents.length - 16);
  const proofLength = contents.readUInt32LE(contents.length - 12);
  const proofStart = contents.length - 16 - proofLength;
  const indexBytes = contents.subarray(proofStart - indexLength, proofStart);
  const index = JSON.parse(indexBytes.toString());
  if (index.format !== 1 || index.tarSize !== tar.length) throw new Error("not this format");

  const entries: Record<string, unknown>[] = [];
  for (const { offset, size, length, sha256, entries: number } of index.segments) {
    const frame = stream.subarray(offset, offset + size);
    if (sha256Of(frame) !== sha256) throw new Error("segment of another digest");
    const lines = zstdDecompressSync(frame);
    if (lines.length !== length) throw new Error("segment of another length");
    const parsed = lines
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    if (parsed.length !== number) throw new Error("segment with other entries");
    entries.push(...parsed);
  }
  for (const { type, offset, size, sha256 } of entries as unknown as FileFields[]) {
    if (type === "file" && sha256Of(tar.subarray(offset, offset + size)) !== sha256) {
      throw new Error("file of another digest");
    }
  }
  const authentication = JSON.parse(contents.toString("utf8", proofStart, contents.length - 16));
  return { index, entries, proof: proofOf(authentication, indexBytes, key), tar };
}

// "Authentication"
function proofOf(
  authentication: { hmac?: string; signature?: { signer: string; value: string } },
  index: Buffer,
  key: { readonly identity?: string; readonly passphrase?: string; readonly signer?: string },
): Read["proof"] {
  const digest = createHash("sha256").update(index).digest();
  const message = Buffer.concat([Buffer.from("restbackup v1 contents\0"), digest]);
  if (authentication.hmac !== undefined) {
    const secret =
      key.identity === undefined
        ? Buffer.from(key.passphrase!)
        : bech32.decodeToBytes(key.identity).bytes;
    const derived = hkdfSync("sha256", secret, "", "restbackup v1 contents hmac", 32);
    const hmac = createHmac("sha256", Buffer.from(derived)).update(message).digest("hex");
    if (hmac === authentication.hmac) return "hmac";
  }
  const { signature } = authentication;
  if (signature !== undefined && signature.signer === key.signer) {
    const { bytes, prefix } = bech32.decodeToBytes(signature.signer);
    const x = Buffer.from(bytes).toString("base64url");
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const value = Buffer.from(signature.value, "base64");
    if (prefix === "restbackup-signer" && verify(null, message, publicKey, value))
      return "signature";
  }
  return "none";
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
