import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";

/** Files, folders and links as a test states them. Paths may be bytes, for names that are not UTF-8. */
export type Name = string | Buffer;

/** A path below a folder, as bytes. */
export function below(root: Name, ...parts: readonly Name[]): Buffer {
  const pieces = [root, ...parts].flatMap((part) => [Buffer.from("/"), Buffer.from(part)]);
  return Buffer.concat(pieces.slice(1));
}

/** Gives an entry (a link itself, not what it leads to) a time to the nanosecond: seconds as text. */
function setTime(file: Name, seconds: string): void {
  execFileSync("touch", ["-h", "-d", `@${seconds}`, "--", file.toString()]);
}

/** Writes a file that is holes but for the given pieces. */
function writeSparse(
  file: Name,
  size: number,
  pieces: readonly { at: number; bytes: Uint8Array }[],
): void {
  const fd = fs.openSync(file, "w");
  try {
    for (const { at, bytes } of pieces) fs.writeSync(fd, bytes, 0, bytes.length, at);
    fs.ftruncateSync(fd, size);
  } finally {
    fs.closeSync(fd);
  }
}

/** What there is to know of one entry. */
export interface Seen {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly mode: string;
  readonly mtime: bigint;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  /** The first path, in byte order, that is the same file. */
  readonly same?: string;
  readonly holes?: boolean;
}

/** Every entry below a folder, and `.` for itself; paths and targets with a character a byte. */
export function treeOf(root: Name): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const inodes = new Map<bigint, string>();
  const visit = (file: Buffer, name: string): void => {
    const stat = fs.lstatSync(file, { bigint: true });
    const common = { mode: (Number(stat.mode) & 0o7777).toString(8), mtime: stat.mtimeNs };
    if (stat.isDirectory()) {
      seen.set(name, { kind: "directory", ...common });
      const children = fs.readdirSync(file, { encoding: "buffer" }).sort(Buffer.compare);
      for (const child of children) {
        const text = child.toString("latin1");
        visit(below(file, child), name === "." ? text : `${name}/${text}`);
      }
    } else if (stat.isSymbolicLink()) {
      const target = fs.readlinkSync(file, "buffer").toString("latin1");
      seen.set(name, { kind: "symlink", ...common, target });
    } else if (stat.isFile()) {
      const same = inodes.get(stat.ino);
      inodes.set(stat.ino, same ?? name);
      seen.set(name, {
        kind: "file",
        ...common,
        size: Number(stat.size),
        sha256: createHash("sha256").update(fs.readFileSync(file)).digest("hex"),
        ...(same === undefined ? {} : { same }),
        holes: stat.blocks * 512n < stat.size / 2n,
      });
    } else {
      seen.set(name, { kind: "other", ...common });
    }
  };
  visit(Buffer.from(root), ".");
  return seen;
}

/** A tree in a form to compare: times to within `tolerance` nanoseconds of another tree's. */
export function differences(
  expected: ReadonlyMap<string, Seen>,
  actual: ReadonlyMap<string, Seen>,
  { tolerance = 0n, holes = true }: { tolerance?: bigint; holes?: boolean } = {},
): string[] {
  const found: string[] = [];
  for (const name of new Set([...expected.keys(), ...actual.keys()])) {
    const a = expected.get(name);
    const b = actual.get(name);
    if (a === undefined || b === undefined) {
      found.push(`${JSON.stringify(name)}: ${a === undefined ? "is too many" : "is missing"}`);
      continue;
    }
    for (const field of ["kind", "mode", "size", "sha256", "target", "same"] as const) {
      if (a[field] !== b[field])
        found.push(`${JSON.stringify(name)}: ${field} ${a[field]} became ${b[field]}`);
    }
    if (holes && a.holes !== b.holes) found.push(`${JSON.stringify(name)}: holes ${a.holes}`);
    const apart = a.mtime > b.mtime ? a.mtime - b.mtime : b.mtime - a.mtime;
    if (apart > tolerance)
      found.push(`${JSON.stringify(name)}: mtime ${a.mtime} became ${b.mtime}`);
  }
  return found;
}

const NOT_UTF8 = Buffer.from([0x66, 0xff, 0xfe, 0x2d, 0xc3, 0x28, 0xed, 0xa0, 0x80]);

/** Everything a tree on Linux can hold that a backup must bring back. `root` must not exist yet. */
export function makeEverything(root: string): void {
  const at = (...parts: Name[]) => below(root, ...parts);
  const write = (name: Name, content: string | Uint8Array, mode = 0o644) => {
    fs.writeFileSync(at(name), content);
    fs.chmodSync(at(name), mode);
  };
  for (const folder of ["", "modes", "links", "links/far", "names", "empty folder", "times"]) {
    fs.mkdirSync(folder === "" ? root : at(folder));
  }
  for (const mode of [0o600, 0o644, 0o755, 0o777, 0o400, 0o001, 0o4755, 0o2755, 0o6711, 0o1644]) {
    write(`modes/file-${mode.toString(8)}`, `mode ${mode}`, mode);
  }
  // Nobody but root could read it.
  if (process.getuid?.() === 0) write("modes/file-0", "nobody may", 0);
  for (const mode of [0o700, 0o1777, 0o2775, 0o555]) {
    fs.mkdirSync(at(`modes/folder-${mode.toString(8)}`));
    write(`modes/folder-${mode.toString(8)}/inside`, "inside");
    fs.chmodSync(at(`modes/folder-${mode.toString(8)}`), mode);
  }

  write("links/first", "one content, three names");
  fs.linkSync(at("links/first"), at("links/far/second"));
  fs.linkSync(at("links/first"), at("a name before"));
  fs.symlinkSync("first", at("links/to file"));
  fs.symlinkSync("far", at("links/to folder"));
  fs.symlinkSync("../..", at("links/upwards"));
  fs.symlinkSync("nowhere/at all", at("links/dangling"));
  fs.symlinkSync("/etc/hostname", at("links/absolute"));
  fs.symlinkSync(NOT_UTF8, at("links/not utf-8"));
  fs.symlinkSync("x".repeat(300), at("links/long"));

  for (const name of [
    "new\nline",
    "back\\slash",
    "-rf",
    "--",
    "🦀 ✓ é",
    "e\u0301",
    "\ufffd",
    "\ufeffbom",
    " spaces ",
    "...",
    ".hidden",
    "tab\tbell\u0007",
    "'\"`$(x)",
    "*?[a]{b,c}!",
    "n".repeat(255),
    "é".repeat(127),
    NOT_UTF8,
    Buffer.from([0xff]),
  ]) {
    fs.writeFileSync(at("names", name), "named");
  }
  fs.mkdirSync(at("names", Buffer.from([0x64, 0x80])));
  fs.writeFileSync(at("names", Buffer.from([0x64, 0x80]), Buffer.from([0x81])), "below");
  let deep = "deep";
  for (let i = 0; i < 12; i++) deep += `/${"d".repeat(100)}`;
  fs.mkdirSync(at(deep), { recursive: true });
  write(`${deep}/bottom`, "far down");
  fs.symlinkSync("bottom", at(`${deep}/link`));

  write("empty", "");
  writeSparse(at("sparse"), 5 * 2 ** 20 + 123, [
    { at: 0, bytes: Buffer.from("head") },
    { at: 3 * 2 ** 20 + 5000, bytes: Buffer.alloc(10_000, 7) },
  ]);
  writeSparse(at("only a hole"), 3 * 2 ** 20, []);
  write("zeros without holes", Buffer.alloc(200_000));

  const times = [
    "0",
    "1.5",
    "-1",
    "-0.25",
    "-86400.123456789",
    "1763890812.123456789",
    "4102444800",
  ];
  for (const [index, seconds] of times.entries()) {
    write(`times/${index}`, seconds);
    setTime(at(`times/${index}`), seconds);
  }
  fs.symlinkSync("0", at("times/link"));
  setTime(at("times/link"), "-5.75");
  setTime(at("links"), "1234567890.000000001");
  setTime(at("times"), "-1000.999999999");
  setTime(root, "1600000000.5");
}
