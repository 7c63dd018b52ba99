import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { decryptChlorocrypt, encryptChlorocrypt } from "../src/encryption/chlorocrypt.ts";

/**
 * chlorocrypt beside the bare work it stands for, AES-256-CBC and HMAC-SHA-256 of node:crypto in
 * pieces of 64 KiB, round by round in one process. What counts is the ratio of the medians.
 *
 *     npm run bench:chlorocrypt -- [--rounds 5] [--bytes 1073741824]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    bytes: { type: "string", default: String(2 ** 30) },
  },
});
const bytes = Number(values.bytes);
const PIECE = randomBytes(65_536);
const PASSPHRASE = "correct horse battery staple";
const [key, iv, macKey] = [randomBytes(32), randomBytes(16), randomBytes(32)];

function* plaintext(): Generator<Buffer> {
  for (let at = 0; at < bytes; at += PIECE.length) yield PIECE.subarray(0, bytes - at);
}

/** Encrypts and authenticates; what comes out is made and dropped, as by {@link drain}. */
function plainEncrypt(): void {
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const hmac = createHmac("sha256", macKey);
  for (const piece of plaintext()) hmac.update(cipher.update(piece));
  hmac.update(cipher.final());
  hmac.digest();
}

/** The same, and back again from what came out. */
function plainBothWays(): void {
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const decipher = createDecipheriv("aes-256-cbc", key, iv);
  const [hmac, check] = [createHmac("sha256", macKey), createHmac("sha256", macKey)];
  const step = (encrypted: Buffer): void => {
    hmac.update(encrypted);
    check.update(encrypted);
    decipher.update(encrypted);
  };
  for (const piece of plaintext()) step(cipher.update(piece));
  step(cipher.final());
  decipher.final();
  if (!timingSafeEqual(hmac.digest(), check.digest())) throw new Error("not what was written");
}

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of pieces);
}

async function secondsOf(work: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const seconds: Record<string, number[]> = {};
for (let round = 0; round < Number(values.rounds); round++) {
  const runs: Record<string, () => void | Promise<void>> = {
    "plain encrypt": plainEncrypt,
    "our encrypt": () => drain(encryptChlorocrypt(plaintext(), PASSPHRASE)),
    "plain both": plainBothWays,
    "our both": () =>
      drain(decryptChlorocrypt(encryptChlorocrypt(plaintext(), PASSPHRASE), PASSPHRASE)),
  };
  for (const [name, work] of Object.entries(runs)) {
    seconds[name] = [...(seconds[name] ?? []), await secondsOf(work)];
  }
}

function median(name: string): number {
  const sorted = seconds[name]!.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

const speed = (name: string) => `${(bytes / 1e6 / median(name)).toFixed(0)} MB/s`;
const row = (label: string, work: string) =>
  `| ${label} | ${speed(`our ${work}`)} | ${speed(`plain ${work}`)} | ${(median(`plain ${work}`) / median(`our ${work}`)).toFixed(2)} |`;

console.log(`Machine: ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.versions.node}. ${(bytes / 2 ** 30).toFixed(2)} GiB, ${values.rounds} rounds, medians. Peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB.

| work | ours | AES-256-CBC and HMAC of node:crypto | speed ratio |
| --- | --- | --- | --- |
${row("encrypt", "encrypt")}
${row("encrypt, verify and decrypt", "both")}`);
