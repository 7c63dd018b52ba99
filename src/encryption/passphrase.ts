import { randomInt } from "node:crypto";
import { wordlist } from "@scure/bip39/wordlists/english.js";

/**
 * A passphrase of English words, each drawn evenly, and independently of the others, from a list of
 * 2048 (BIP 39): 11 bits of entropy a word. The 8 of the default are 88 bits, which holds also where
 * a format slows guessing down little, as chlorocrypt does.
 *
 * @example
 * ```ts
 * import { generatePassphrase } from "restbackup";
 *
 * const { passphrase, bits } = generatePassphrase();
 * console.log(`${passphrase.split(" ").length} words, ${bits} bits`);
 * ```
 */
export function generatePassphrase(options: { readonly words?: number } = {}): {
  passphrase: string;
  /** Of entropy. */
  bits: number;
} {
  const count = options.words ?? 8;
  if (!Number.isInteger(count) || count < 1) throw new RangeError("words is a whole number from 1");
  const words = Array.from({ length: count }, () => wordlist[randomInt(wordlist.length)]!);
  return { passphrase: words.join(" "), bits: count * Math.log2(wordlist.length) };
}
