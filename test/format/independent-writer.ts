import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { Encrypter, identityToRecipient } from "age-encryption";
import { hmacOf, messageOf, secretOf } from "./independent-reader.ts";
import { headerOf, type Line, padded } from "./independent-tar.ts";

/**
 * A writer of docs/format.md, version 1, that shares nothing with the product: what another program
 * could write. It does what ours does not, within the format: a segment for each entry, each in a
 * contents frame of its own between frames of content, and frames cut at odd places.
 */
export async function writeArchive(
  entry: string,
  items: readonly { readonly line: Line; readonly content?: Buffer }[],
  options: { readonly identity: string; readonly frameSize: number },
): Promise<Buffer> {
  const tar: Buffer[] = [];
  const lines: { start: number; line: Line }[] = [];
  let tarSize = 0;
  const put = (bytes: Buffer): void => {
    tar.push(bytes);
    tarSize += bytes.length;
  };
  for (const { line, content } of items) {
    const start = tarSize;
    put(headerOf(content === undefined ? line : { ...line, size: content.length }));
    if (content === undefined) {
      lines.push({ start, line });
      continue;
    }
    const fields = { size: content.length, sha256: sha256Of(content), offset: tarSize };
    lines.push({ start, line: { ...line, ...fields } });
    put(Buffer.concat([content, Buffer.alloc(padded(content.length) - content.length)]));
  }
  put(Buffer.alloc(1024));

  const stream: Buffer[] = [];
  const table: [number, number][] = [];
  let position = 0;
  const frame = (bytes: Buffer, decompressed: number): void => {
    stream.push(bytes);
    table.push([bytes.length, decompressed]);
    position += bytes.length;
  };
  const whole = Buffer.concat(tar);
  const segments: object[] = [];
  const pending = [...lines];
  for (let at = 0; at < whole.length || pending.length > 0; at += options.frameSize) {
    const piece = whole.subarray(at, at + options.frameSize);
    if (piece.length > 0) frame(zstdCompressSync(piece), piece.length);
    const next = pending.shift();
    if (next === undefined) continue;
    const text = Buffer.from(`${JSON.stringify(next.line)}\n`);
    const segment = zstdCompressSync(text);
    segments.push({
      offset: position + 8,
      size: segment.length,
      length: text.length,
      entries: 1,
      start: next.start,
      first: next.line.path,
      sha256: sha256Of(segment),
    });
    frame(skippable(0x184d2a52, segment), 0);
  }

  const count = (...types: string[]) => lines.filter((l) => types.includes(l.line.type)).length;
  const index = Buffer.from(
    JSON.stringify({
      format: 1,
      archive: entry,
      created: "2026-11-23T09:40:12.000Z",
      writer: "another/1.0",
      source: { paths: ["tree"] },
      totals: {
        files: count("file"),
        directories: count("directory"),
        links: count("symlink", "hardlink"),
        bytes: lines.reduce((sum, { line }) => sum + (line.size ?? 0), 0),
      },
      tarSize,
      warnings: [],
      segments,
      unknown: "ignored by readers of version 1",
    }),
  );
  const hmac = hmacOf(messageOf(index), secretOf(options));
  const authentication = Buffer.from(JSON.stringify({ hmac }));
  const lengths = uint32s(index.length, authentication.length);
  const contents = Buffer.concat([index, authentication, lengths, Buffer.from("RESTBKUP")]);
  frame(skippable(0x184d2a52, contents), 0);
  const sizes = table.flat();
  const footer = [uint32s(table.length), Buffer.of(0), uint32s(0x8f92eab1)];
  stream.push(skippable(0x184d2a5e, Buffer.concat([uint32s(...sizes), ...footer])));

  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(options.identity));
  return Buffer.from(await encrypter.encrypt(Buffer.concat(stream)));
}

function skippable(magic: number, content: Buffer): Buffer {
  return Buffer.concat([uint32s(magic, content.length), content]);
}

function uint32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
