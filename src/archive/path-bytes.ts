/**
 * Paths as strings that can hold every file name a POSIX system can.
 *
 * File names are bytes, nearly always UTF-8. A byte that is not part of valid UTF-8 is kept as the
 * lone surrogate U+DC00 + byte (docs/format.md, "Paths"), which valid UTF-8 can never decode to, so
 * the mapping goes both ways without loss.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ESCAPED = /[\udc80-\udcff]/;

/** Bytes of a file name as a path string. */
export function pathFromBytes(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + bytes[at]!);
      at += 1;
    } else {
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence that starts here, or 0 (Unicode, table 3-7). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return at + length <= bytes.length ? length : 0;
  } catch {
    return 0;
  }
}

/** Whether a path string stands for bytes that are not valid UTF-8. */
export function isEscaped(path: string): boolean {
  return ESCAPED.test(path) && !path.isWellFormed();
}

/** The bytes a path string stands for. */
export function pathToBytes(path: string): Buffer {
  if (!isEscaped(path)) return Buffer.from(path, "utf8");
  const parts: Buffer[] = [];
  let plain = "";
  for (const character of path) {
    const code = character.charCodeAt(0);
    if (character.length === 1 && code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(plain, "utf8"), Buffer.of(code - 0xdc00));
      plain = "";
    } else {
      plain += character;
    }
  }
  parts.push(Buffer.from(plain, "utf8"));
  return Buffer.concat(parts);
}

/** A path string in the form `node:fs` takes: itself, or bytes where it stands for such. */
export function systemPath(path: string): string | Buffer {
  return isEscaped(path) ? pathToBytes(path) : path;
}

/**
 * Whether this is how the bytes it stands for are written: well-formed but for escapes, none of
 * which together are valid UTF-8 after all, and without NUL. So no two path strings name one file.
 */
export function isPathString(path: string): boolean {
  if (path.includes("\0")) return false;
  return path.isWellFormed() || pathFromBytes(pathToBytes(path)) === path;
}
