/** Tar members written by hand: what GNU tar itself would never write. */

export interface HandMade {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  /** Bytes for the size field, in place of octal digits. */
  readonly size?: Buffer;
}

/** A header block with a right checksum, and the content in whole blocks. */
export function member({ name, type = "0", link = "", mode = 0o644, ...rest }: HandMade): Buffer {
  const content = Buffer.from(rest.content ?? "");
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, "utf8");
  header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  if (rest.size === undefined)
    header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  else rest.size.copy(header, 124);
  header.write("14700000000\0", 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(link, 157, 100, "utf8");
  header.write("ustar  \0", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)]);
}

/** An archive with its marks at the end. */
export function archiveOf(...members: readonly HandMade[]): Buffer {
  return Buffer.concat([...members.map(member), Buffer.alloc(1024)]);
}

/** A dumpdir: records, each with its letter. */
export function dumpdir(...records: readonly string[]): string {
  return `${records.map((record) => `${record}\0`).join("")}\0`;
}

/** A PAX extended header. */
export function pax(records: Readonly<Record<string, string>>, type = "x"): HandMade {
  const content = Object.entries(records).map(([keyword, value]) => {
    const rest = ` ${keyword}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length) {
      length = String(length).length + Buffer.byteLength(rest);
    }
    return `${length}${rest}`;
  });
  return { name: "././@PaxHeader", type, content: content.join("") };
}
