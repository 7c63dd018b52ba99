import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  pbkdf2Sync,
  timingSafeEqual,
} from "node:crypto";

/**
 * chlorocrypt once more, written from its description alone and for reading, not for speed: every
 * MAC is worked out anew over all that stands before it.
 */

const BLOCK = 65_536;

export interface Randoms {
  readonly macSalt: Buffer;
  readonly aesSalt: Buffer;
  readonly iv: Buffer;
}

export function encryptByTheBook(plain: Buffer, passphrase: string, randoms: Randoms): Buffer {
  const missing = 16 - (plain.length % 16);
  const padded = Buffer.concat([plain, Buffer.alloc(missing, missing)]);
  const cipher = createCipheriv("aes-256-cbc", keyOf(passphrase, randoms.aesSalt), randoms.iv);
  cipher.setAutoPadding(false);
  const encrypted = Buffer.concat([cipher.update(padded), cipher.final()]);
  return macByTheBook(
    Buffer.concat([randoms.aesSalt, randoms.iv, encrypted]),
    passphrase,
    randoms.macSalt,
  );
}

/** The outer layer alone: for files whose MACs are right and whose inside is not. */
export function macByTheBook(aes: Buffer, passphrase: string, macSalt: Buffer): Buffer {
  const out = [macSalt];
  for (let at = 0; at < aes.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, aes.length);
    out.push(aes.subarray(at, end), macOf(aes.subarray(0, end), passphrase, macSalt));
  }
  return Buffer.concat(out);
}

/** The AES layer of a file, all MACs checked. Throws when it is not right. */
export function unmacByTheBook(file: Buffer, passphrase: string): Buffer {
  const macSalt = file.subarray(0, 16);
  const blocks: Buffer[] = [];
  for (let at = 16; at < file.length; at += BLOCK + 32) {
    const block = file.subarray(at, Math.min(at + BLOCK, file.length - 32));
    const mac = file.subarray(at + block.length, at + block.length + 32);
    blocks.push(block);
    if (!timingSafeEqual(macOf(Buffer.concat(blocks), passphrase, macSalt), mac)) {
      throw new Error(`The MAC of the block at ${at} is wrong.`);
    }
  }
  return Buffer.concat(blocks);
}

export function decryptByTheBook(file: Buffer, passphrase: string): Buffer {
  const aes = unmacByTheBook(file, passphrase);
  const key = keyOf(passphrase, aes.subarray(0, 16));
  const decipher = createDecipheriv("aes-256-cbc", key, aes.subarray(16, 32));
  decipher.setAutoPadding(false);
  const padded = Buffer.concat([decipher.update(aes.subarray(32)), decipher.final()]);
  const added = padded.at(-1)!;
  if (!padded.subarray(-added).every((byte) => byte === added)) throw new Error("Bad padding.");
  return padded.subarray(0, -added);
}

export function randomsOf(file: Buffer): Randoms {
  return {
    macSalt: file.subarray(0, 16),
    aesSalt: file.subarray(16, 32),
    iv: file.subarray(32, 48),
  };
}

function macOf(bytes: Buffer, passphrase: string, macSalt: Buffer): Buffer {
  return createHmac("sha256", keyOf(passphrase, macSalt)).update(bytes).digest();
}

const keys = new Map<string, Buffer>();

function keyOf(passphrase: string, salt: Buffer): Buffer {
  const name = `${salt.toString("hex")} ${passphrase}`;
  const key = keys.get(name) ?? pbkdf2Sync(passphrase, salt, 4096, 32, "sha256");
  keys.set(name, key);
  return key;
}
