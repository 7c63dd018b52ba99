import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type { PutSource, Store } from "../../src/stores/store.ts";

/** Content to put, counting how often it was opened. */
export function contentOf(
  bytes: Buffer | string,
): PutSource & { readonly bytes: Buffer; opened: number } {
  const whole = Buffer.from(bytes);
  return {
    bytes: whole,
    size: whole.length,
    sha256: createHash("sha256").update(whole).digest("hex"),
    opened: 0,
    open() {
      this.opened += 1;
      return Readable.from(pieces(whole), { objectMode: false });
    },
  };
}

export function randomContent(size: number) {
  return contentOf(randomBytes(size));
}

function* pieces(whole: Buffer): Generator<Buffer> {
  for (let at = 0; at < whole.length; at += 65_536) yield whole.subarray(at, at + 65_536);
}

export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

export async function namesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list()) names.push(name);
  return names.sort();
}
