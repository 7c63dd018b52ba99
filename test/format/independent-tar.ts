/** Tar headers as docs/format.md gives them, "Tar" and "Paths": written from the document alone. */

/** A line of the contents list, its form not yet believed. */
export interface Line {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink";
  readonly mode: number;
  readonly mtime: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly offset?: number;
  readonly target?: string;
  readonly sparse?: boolean;
  readonly changed?: string;
}

/** The bytes of a path or target. */
export function bytesOf(text: string): Buffer {
  const parts = [...text].map((character) => {
    const code = character.codePointAt(0)!;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character);
  });
  return Buffer.concat(parts);
}

/** Content of this size with its padding. */
export function padded(size: number): number {
  return Math.ceil(size / 512) * 512;
}

const TYPEFLAGS = { file: "0", hardlink: "1", symlink: "2", directory: "5" };

/** All header blocks of an entry. */
export function headerOf(line: Line): Buffer {
  const name = bytesOf(line.type === "directory" ? `${line.path}/` : line.path);
  const target = bytesOf(line.target ?? "");
  const { uid = 0, gid = 0, size = 0 } = line;
  const whole = Number(line.mtime.split(".")[0]);
  const time = whole < 0 || whole > 8_589_934_591 ? 0 : whole;

  const records: Buffer[] = [];
  if (!isUtf8(name) || !isUtf8(target)) records.push(record("hdrcharset", Buffer.from("BINARY")));
  if (gid > 2_097_151) records.push(record("gid", Buffer.from(`${gid}`)));
  if (isLong(target)) records.push(record("linkpath", target));
  if (line.mtime.includes(".") || time !== whole)
    records.push(record("mtime", Buffer.from(line.mtime)));
  if (isLong(name)) records.push(record("path", name));
  if (size > 8_589_934_591) records.push(record("size", Buffer.from(`${size}`)));
  if (uid > 2_097_151) records.push(record("uid", Buffer.from(`${uid}`)));

  const own = block({
    name,
    mode: line.mode,
    uid: uid > 2_097_151 ? 0 : uid,
    gid: gid > 2_097_151 ? 0 : gid,
    size: size > 8_589_934_591 ? 0 : size,
    mtime: time,
    typeflag: TYPEFLAGS[line.type],
    linkname: target,
  });
  if (records.length === 0) return own;
  const text = Buffer.concat(records);
  const pax = block({
    name: Buffer.from("././@PaxHeader"),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: text.length,
    mtime: 0,
    typeflag: "x",
    linkname: Buffer.alloc(0),
  });
  return Buffer.concat([pax, text, Buffer.alloc(padded(text.length) - text.length), own]);
}

export function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString()).equals(bytes);
}

function isLong(bytes: Buffer): boolean {
  return bytes.length > 100 || bytes.some((byte) => byte < 0x20 || byte > 0x7e);
}

function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  const length = [1, 2, 3, 4, 5, 6].find((digits) => `${digits + rest.length}`.length === digits)!;
  return Buffer.concat([Buffer.from(`${length + rest.length}`), rest]);
}

interface Fields {
  readonly name: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly typeflag: string;
  readonly linkname: Buffer;
}

function block(fields: Fields): Buffer {
  const bytes = Buffer.alloc(512);
  fields.name.copy(bytes, 0, 0, 100);
  bytes.write(octal(fields.mode, 7), 100);
  bytes.write(octal(fields.uid, 7), 108);
  bytes.write(octal(fields.gid, 7), 116);
  bytes.write(octal(fields.size, 11), 124);
  bytes.write(octal(fields.mtime, 11), 136);
  bytes.write("        ", 148);
  bytes.write(fields.typeflag, 156);
  fields.linkname.copy(bytes, 157, 0, 100);
  bytes.write("ustar\u000000", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${octal(sum, 6)}\0 `, 148);
  return bytes;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
