import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { decryptChlorocrypt } from "../encryption/chlorocrypt.ts";
import { RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import type { Store, TransferOptions } from "../stores/store.ts";

export interface LegacySource {
  /** The tar archive, unpacked; to be read to its end, where its checksum is checked. */
  readonly tar: AsyncIterable<Uint8Array>;
  /** Whether it was encrypted, and so proven to be written by someone who knows the passphrase. */
  readonly encrypted: boolean;
  /** For a source that is not read after all. */
  close(): Promise<void>;
}

/** The shortest chlorocrypt file, of nothing: two salts, IV, a block of padding and a MAC. */
const MIN_CHLOROCRYPT = 96;

/**
 * Opens an archive of older tools: gzip, or gzip in chlorocrypt, told apart by how they begin.
 * Throws `usage` when it is encrypted and there is no passphrase, `damaged` when it can be neither;
 * reading throws `wrong-key` and `damaged`.
 */
export async function openLegacy(
  store: Store,
  { name, size }: { readonly name: string; readonly size: number },
  { passphrase, ...transfer }: TransferOptions & { readonly passphrase?: string | undefined },
): Promise<LegacySource> {
  const stored = store.get(name, transfer)[Symbol.asyncIterator]();
  const { start, rest } = await peek(stored, 4);
  const close = async () => void (await stored.return?.());
  const encrypted = !looksLikeGzip(start);
  if (encrypted && (size % 16 !== 0 || size < MIN_CHLOROCRYPT)) {
    await close();
    throw new RestbackupError(
      "damaged",
      `${printable(name)} is damaged or cut off: it is neither a gzip file nor an encrypted one.`,
    );
  }
  if (encrypted && passphrase === undefined) {
    await close();
    throw new RestbackupError(
      "usage",
      `${printable(name)} is no gzip file, so it should be encrypted, and there is no passphrase.`,
      { hint: "Give the passphrase it was encrypted with: --passphrase-file FILE." },
    );
  }
  const packed = encrypted ? decryptChlorocrypt(rest, passphrase!) : rest;
  return { tar: gunzip(packed, name), encrypted, close };
}

/**
 * RFC 1952, 2.3: two magic bytes, method 8, three reserved flags that are zero. Chlorocrypt begins
 * with a random salt: one in 134 million looks like this.
 */
function looksLikeGzip(start: Buffer): boolean {
  return start.length === 4 && start.readUIntBE(0, 3) === 0x1f8b08 && (start[3]! & 0xe0) === 0;
}

async function peek(
  pieces: AsyncIterator<Uint8Array>,
  length: number,
): Promise<{ start: Buffer; rest: AsyncGenerator<Uint8Array> }> {
  let start = Buffer.alloc(0);
  while (start.length < length) {
    const { done, value } = await pieces.next();
    if (done === true) break;
    start = Buffer.concat([start, value]);
  }
  const held = start;
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      yield held;
      for (;;) {
        const { done, value } = await pieces.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await pieces.return?.();
    }
  }
  return { start: held.subarray(0, length), rest: rest() };
}

async function* gunzip(
  packed: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(packed, { objectMode: false });
  const unpacked = createGunzip({ chunkSize: 2 ** 18 });
  // What the source throws comes out where it is read.
  source.on("error", (error) => unpacked.destroy(error));
  source.pipe(unpacked);
  try {
    yield* unpacked;
  } catch (error) {
    if (!isGzipError(error)) throw error;
    throw new RestbackupError(
      "damaged",
      `${printable(name)} is damaged or cut off: it cannot be unpacked to its end.`,
      { cause: error },
    );
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}

function isGzipError(error: unknown): boolean {
  return /^Z_/.test(systemCode(error) ?? "");
}
