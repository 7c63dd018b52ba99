/** Text of ASCII put into memory character by character: for short text a call into Node takes longer. */

const ZERO = 0x30;

/** Puts text whose characters all are below 0x80; returns where it ends. */
export function putAscii(into: Uint8Array, at: number, text: string): number {
  const { length } = text;
  for (let i = 0; i < length; i++) into[at + i] = text.charCodeAt(i);
  return at + length;
}

/** Puts a whole number, 0 or more, in decimal; returns where it ends. */
export function putDecimal(into: Uint8Array, at: number, value: number): number {
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end += 1;
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    const high = Math.floor(rest / 10);
    into[i] = ZERO + (rest - high * 10);
    rest = high;
  }
  return end;
}

/** Whether all characters are printable ASCII, 0x20 to 0x7e. */
export function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}
