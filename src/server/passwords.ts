import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { Turns } from "./turns.ts";

/** What scrypt (RFC 7914) takes: N blocks of 128 r bytes in memory, gone over p times. */
export interface HashParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** A password as an account's record holds it; the password itself is nowhere. */
export interface HashedPassword extends HashParameters {
  /** Base64, 16 bytes. */
  readonly salt: string;
  /** Base64, 32 bytes. */
  readonly scrypt: string;
}

/**
 * One of the equally strong settings in the OWASP Password Storage Cheat Sheet, the one that takes
 * 8 MiB: each thread of the pool keeps what it once took. About 0.2 s of one core.
 */
const PARAMETERS: HashParameters = { N: 2 ** 13, r: 8, p: 10 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * One at once: of the four threads of the pool the others go on reading and writing files, and of
 * two cores the other one serves those who are logged in, while somebody guesses.
 */
const turns = new Turns({ atOnce: 1, mostWaiting: 16, tooMany: "Too many log in at once." });

export async function hashPassword(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
): Promise<HashedPassword> {
  const hash = await derive(password, salt, PARAMETERS);
  return { salt: salt.toString("base64"), scrypt: hash.toString("base64"), ...PARAMETERS };
}

/** Whether a password is hashed with less effort than new ones are. */
export function isOutdated({ N, r, p }: HashParameters): boolean {
  return effortOf({ N, r, p }) < effortOf(PARAMETERS);
}

/**
 * Whether this is the password. Without one to compare with (no such account) the answer is no,
 * after the same time. Throws a 503 when too many wait for an answer already.
 */
export async function matches(
  password: string,
  hashed: HashedPassword | undefined,
): Promise<boolean> {
  return await turns.take(async () => {
    const { salt, scrypt: expected, N, r, p } = hashed ?? NOBODY;
    const hash = await derive(password, Buffer.from(salt, "base64"), { N, r, p });
    const equal = isEqual(hash, Buffer.from(expected, "base64"));
    // Less effort, from before it was raised, must not tell that there is such an account.
    const missing = Math.ceil((effortOf(PARAMETERS) - effortOf({ N, r, p })) / effortOf(ONE_ROUND));
    if (missing > 0) await derive(password, NO_SALT, { ...PARAMETERS, p: missing });
    return equal && hashed !== undefined;
  });
}

const ONE_ROUND: HashParameters = { ...PARAMETERS, p: 1 };
const NO_SALT = Buffer.alloc(SALT_BYTES);
const NOBODY: HashedPassword = { salt: "", scrypt: "", ...PARAMETERS };

function effortOf({ N, r, p }: HashParameters): number {
  return N * r * p;
}

function isEqual(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

const scryptAsync = promisify(
  (
    password: string,
    salt: Buffer,
    options: HashParameters & { readonly maxmem: number },
    done: (error: Error | null, key: Buffer) => void,
  ) => scrypt(password, salt, HASH_BYTES, options, done),
);

async function derive(password: string, salt: Buffer, parameters: HashParameters): Promise<Buffer> {
  const { N, r, p } = parameters;
  // What it needs by RFC 7914, and somewhat more for OpenSSL's own accounts.
  const maxmem = 128 * r * (N + p + 2) + 1024 * 1024;
  return await scryptAsync(password, salt, { N, r, p, maxmem });
}
