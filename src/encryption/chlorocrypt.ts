import {
  createCipheriv,
  createDecipheriv,
  createHash,
  type Decipheriv,
  type Hash,
  hash,
  pbkdf2,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { RestbackupError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";

/**
 * chlorocrypt (docs/chlorocrypt.md), in which command-line tools of 2010 to 2012 encrypted: a salt,
 * then AES-256-CBC (itself after a salt and an IV) in blocks, each followed by an HMAC of all before.
 */

const BLOCK = 65_536;
const MAC = 32;
const SALT = 16;
const IV = 16;
const AES_BLOCK = 16;
const ROUNDS = 4096;
const CIPHER = "aes-256-cbc";

/** What is wrong with a chlorocrypt file. */
export type ChlorocryptFault =
  /** The first block's MAC is wrong: another passphrase, or damage; the format cannot tell which. */
  | "passphrase-or-damage"
  /** A later block's MAC is wrong, so the passphrase was right. */
  | "damage"
  /** Its length is one that no whole file has. */
  | "truncation"
  /** All MACs are right, yet its end is none: cut right after a MAC, or badly written. */
  | "padding";

/** A file that is refused. `code` is `wrong-key` for `passphrase-or-damage`, else `damaged`. */
export class ChlorocryptError extends RestbackupError {
  readonly fault: ChlorocryptFault;

  constructor(fault: ChlorocryptFault, message: string, hint: string) {
    super(fault === "passphrase-or-damage" ? "wrong-key" : "damaged", message, { hint });
    this.fault = fault;
  }
}

/** Length in bytes of the chlorocrypt file of a plaintext of this many bytes. */
export function chlorocryptSize(plaintextBytes: number): number {
  const padded = plaintextBytes + AES_BLOCK - (plaintextBytes % AES_BLOCK);
  const aes = SALT + IV + padded;
  return SALT + aes + MAC * Math.ceil(aes / BLOCK);
}

/**
 * Encrypts a stream; memory stays at a block, whatever the size of the source. Meant for what must
 * be read by tools that know chlorocrypt only: archives of our own are age files.
 *
 * Throws `usage` for a passphrase that is empty or not valid Unicode.
 */
export async function* encryptChlorocrypt(
  source: ByteSource,
  passphrase: string,
): AsyncGenerator<Buffer, void, undefined> {
  const [macSalt, aesSalt, iv] = [randomBytes(SALT), randomBytes(SALT), randomBytes(IV)];
  const [macKey, aesKey] = await Promise.all([
    deriveKey(passphrase, macSalt),
    deriveKey(passphrase, aesSalt),
  ]);
  const blocks = new BlockWriter(new RunningHmac(macKey));
  const cipher = createCipheriv(CIPHER, aesKey, iv);
  yield macSalt;
  yield* blocks.add(aesSalt);
  yield* blocks.add(iv);
  for await (const piece of source) {
    for (let at = 0; at < piece.length; at += BLOCK) {
      yield* blocks.add(cipher.update(piece.subarray(at, at + BLOCK)));
    }
  }
  yield* blocks.add(cipher.final());
  yield* blocks.end();
}

/**
 * Decrypts a chlorocrypt file as it comes. A block's MAC is verified before any byte of it is
 * decrypted, so that what is given out is what was encrypted, in order and from its beginning. The
 * file is only whole when the generator ends without throwing.
 *
 * Of a file that was cut right after a MAC, 1 in 256 on average ends as if it were whole: only its
 * length, or the archive inside, tells (docs/chlorocrypt.md, "What the format cannot tell").
 *
 * @param source - is closed when reading stops early.
 * @throws {@link ChlorocryptError} `wrong-key` or `damaged`, with `fault`; `usage` as
 * {@link encryptChlorocrypt} does.
 */
export async function* decryptChlorocrypt(
  source: ByteSource,
  passphrase: string,
): AsyncGenerator<Buffer, void, undefined> {
  const plaintext = new PlaintextReader(passphrase);
  for await (const { aes } of verifiedBlocks(source, passphrase)) {
    const plain = await plaintext.update(aes);
    if (plain.length > 0) yield plain;
  }
  const last = plaintext.final();
  if (last.length > 0) yield last;
}

/**
 * Passes a chlorocrypt file on as it is, each block only after its MAC was found right, and throws
 * what {@link decryptChlorocrypt} would: for copying encrypted files without keeping plaintext.
 */
export async function* verifyChlorocrypt(
  source: ByteSource,
  passphrase: string,
): AsyncGenerator<Buffer, void, undefined> {
  const plaintext = new PlaintextReader(passphrase);
  for await (const { whole, aes } of verifiedBlocks(source, passphrase)) {
    await plaintext.update(aes);
    yield Buffer.from(whole);
  }
  plaintext.final();
}

const derive = promisify(pbkdf2);

async function deriveKey(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  if (passphrase === "" || !passphrase.isWellFormed()) {
    throw new RestbackupError("usage", "The passphrase is empty or not valid Unicode.");
  }
  return await derive(passphrase, salt, ROUNDS, 32, "sha256");
}

/** HMAC-SHA-256 (RFC 2104) that can be read midway; node:crypto's own can be read once. */
class RunningHmac {
  readonly #inner: Hash;
  readonly #outerPad: Buffer;

  /** @param key at most 64 bytes. */
  constructor(key: Buffer) {
    const padded = Buffer.concat([key], 64);
    this.#inner = createHash("sha256").update(padded.map((byte) => byte ^ 0x36));
    this.#outerPad = Buffer.from(padded.map((byte) => byte ^ 0x5c));
  }

  update(bytes: Uint8Array): void {
    this.#inner.update(bytes);
  }

  /** Of everything so far. */
  read(): Buffer {
    return hash("sha256", Buffer.concat([this.#outerPad, this.#inner.copy().digest()]), "buffer");
  }
}

/** Cuts AES output into blocks, and puts the MAC after each. */
class BlockWriter {
  readonly #mac: RunningHmac;
  #block = Buffer.allocUnsafe(BLOCK + MAC);
  #filled = 0;

  constructor(mac: RunningHmac) {
    this.#mac = mac;
  }

  /** Blocks that are full now, each with its MAC. */
  *add(bytes: Buffer): Generator<Buffer, void, undefined> {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, BLOCK - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === BLOCK) {
        yield this.#take();
        this.#block = Buffer.allocUnsafe(BLOCK + MAC);
      }
    }
  }

  /** The last block, unless it was full. */
  *end(): Generator<Buffer, void, undefined> {
    if (this.#filled > 0) yield this.#take();
  }

  #take(): Buffer {
    this.#mac.update(this.#block.subarray(0, this.#filled));
    this.#block.set(this.#mac.read(), this.#filled);
    const taken = this.#block.subarray(0, this.#filled + MAC);
    this.#filled = 0;
    return taken;
  }
}

/** A block that was found right. Its memory is used again for the next one. */
interface VerifiedBlock {
  /** As it stands in the file, with its MAC, and before the first one the salt. */
  readonly whole: Buffer;
  /** What is in it for AES. */
  readonly aes: Buffer;
}

/** Reads salt and blocks; throws instead of giving a block that is not right. */
async function* verifiedBlocks(
  source: ByteSource,
  passphrase: string,
): AsyncGenerator<VerifiedBlock, void, undefined> {
  let salt: Buffer | undefined;
  let mac: RunningHmac | undefined;
  let position = SALT;
  for await (const piece of saltAndBlocks(source)) {
    if (mac === undefined) {
      if (piece.length < SALT) throw truncated();
      salt = Buffer.from(piece);
      mac = new RunningHmac(await deriveKey(passphrase, salt));
      continue;
    }
    const length = piece.length - MAC;
    const least = salt === undefined ? AES_BLOCK : SALT + IV + AES_BLOCK;
    if (length < least || length % AES_BLOCK !== 0) throw truncated();
    const aes = piece.subarray(0, length);
    mac.update(aes);
    if (!timingSafeEqual(mac.read(), piece.subarray(length))) throw wrongMac(position);
    yield { whole: salt === undefined ? piece : Buffer.concat([salt, piece]), aes };
    salt = undefined;
    position += piece.length;
  }
  if (position === SALT) throw truncated();
}

/** Regroups a file: its salt, then blocks with their MACs. The last may be shorter. */
async function* saltAndBlocks(source: ByteSource): AsyncGenerator<Buffer, void, undefined> {
  const memory = Buffer.allocUnsafe(BLOCK + MAC);
  let wanted = SALT;
  let filled = 0;
  for await (const piece of source) {
    let rest = piece;
    while (rest.length > 0) {
      const part = rest.subarray(0, wanted - filled);
      memory.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < wanted) continue;
      yield memory.subarray(0, filled);
      wanted = BLOCK + MAC;
      filled = 0;
    }
  }
  if (filled > 0) yield memory.subarray(0, filled);
}

/** Decrypts blocks whose MACs are right. */
class PlaintextReader {
  readonly #passphrase: string;
  #decipher: Decipheriv | undefined;

  constructor(passphrase: string) {
    this.#passphrase = passphrase;
  }

  /** @param aes a block; the first begins with salt and IV. */
  async update(aes: Buffer): Promise<Buffer> {
    if (this.#decipher !== undefined) return this.#decipher.update(aes);
    const key = await deriveKey(this.#passphrase, aes.subarray(0, SALT));
    this.#decipher = createDecipheriv(CIPHER, key, aes.subarray(SALT, SALT + IV));
    return this.#decipher.update(aes.subarray(SALT + IV));
  }

  /** What stands before the padding, which is checked. */
  final(): Buffer {
    try {
      return this.#decipher!.final();
    } catch {
      throw new ChlorocryptError(
        "padding",
        "The encrypted file has no proper end: it was cut, though at a place where its checks hold.",
        FETCH_AGAIN,
      );
    }
  }
}

const FETCH_AGAIN =
  "Fetch it again in case the transfer was at fault; otherwise use another backup.";

function truncated(): ChlorocryptError {
  return new ChlorocryptError(
    "truncation",
    "The encrypted file was cut short, or is no chlorocrypt file.",
    FETCH_AGAIN,
  );
}

/** @param position of the block in the file. */
function wrongMac(position: number): ChlorocryptError {
  if (position > SALT) {
    return new ChlorocryptError(
      "damage",
      `The encrypted file is damaged or was cut short near byte ${position}.`,
      FETCH_AGAIN,
    );
  }
  return new ChlorocryptError(
    "passphrase-or-damage",
    "The passphrase is wrong, or the encrypted file is damaged.",
    "Nothing tells the two apart in this format: check the passphrase first.",
  );
}
