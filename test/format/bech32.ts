/** bech32 (BIP 173) without its limit on length, for the reader and writer that share nothing with us. */

const CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/** Prefix and bytes of a text in one case, checksum verified. */
export function decodeBech32(text: string): { prefix: string; bytes: Buffer } {
  const lower = text.toLowerCase();
  const separator = lower.lastIndexOf("1");
  const prefix = lower.slice(0, separator);
  const values = [...lower.slice(separator + 1)].map((character) => CHARSET.indexOf(character));
  const oneCase = text === lower || text === text.toUpperCase();
  if (!oneCase || values.includes(-1) || checksum([...expand(prefix), ...values]) !== 1) {
    throw new Error("not bech32");
  }
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const value of values.slice(0, -6)) {
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return { prefix, bytes: Buffer.from(bytes) };
}

function expand(prefix: string): number[] {
  const codes = [...Buffer.from(prefix)];
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function checksum(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of GENERATOR.entries()) if ((top >> bit) & 1) sum ^= term;
  }
  return sum >>> 0;
}
