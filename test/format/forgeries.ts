import type { Lies, Stated } from "../archive/hostile.ts";

/** What docs/format.md has readers refuse, each with a name, and what it has them take. */
export interface Forgery {
  readonly tree?: readonly Stated[];
  readonly lies?: Lies;
}

const file = (path: string, content = `content of ${path}`): Stated => ({ path, content });
const folder = (path: string): Stated => ({ path, type: "directory", mode: 0o755 });
const link = (path: string, target: string): Stated => ({ path, type: "symlink", target });
const hardlink = (path: string, target: string): Stated => ({ path, type: "hardlink", target });

/** Content of several frames, and something of every type. */
export const TREE: readonly Stated[] = [
  folder("."),
  file("a", "first"),
  file("b", "y".repeat(9000)),
  link("c", "a"),
  hardlink("d", "a"),
  folder("e"),
  file("e/f"),
];

function tree(...entries: readonly Stated[]): Forgery {
  return { tree: [folder("."), ...entries] };
}

/** Says something else of one entry than its header does. */
function lying(path: string, fields: object): Forgery {
  return {
    lies: { entry: (entry) => (entry.path === path ? { ...entry, ...fields } : entry) },
  };
}

/** Says the same of one entry in header and list. */
function stating(path: string, fields: object): Forgery {
  return { tree: TREE.map((entry) => (entry.path === path ? { ...entry, ...fields } : entry)) };
}

function index(fields: object): Forgery {
  return { lies: { index: (honest) => ({ ...honest, ...fields }) } };
}

function totals(fields: object): Forgery {
  return { lies: { index: (honest) => ({ ...honest, totals: { ...honest.totals, ...fields } }) } };
}

function segment(fields: object): Forgery {
  return {
    lies: { index: (honest) => ({ ...honest, segments: [{ ...honest.segments[0], ...fields }] }) },
  };
}

function lines(change: (text: string) => string): Forgery {
  return { lies: { segment: (bytes) => Buffer.from(change(bytes.toString())) } };
}

function indexText(change: (text: string) => string): Forgery {
  return { lies: { indexBytes: (bytes) => Buffer.from(change(bytes.toString())) } };
}

function seekTable(change: (table: Buffer) => void): Forgery {
  return {
    lies: {
      seekTable: (table) => {
        change(table);
        return table;
      },
    },
  };
}

function footer(change: (bytes: Buffer) => void): Forgery {
  return {
    lies: {
      footer: (bytes) => {
        change(bytes);
        return bytes;
      },
    },
  };
}

const ZEROS = "0".repeat(64);

/** By the chapters of docs/format.md. */
export const REFUSED: Readonly<Record<string, Readonly<Record<string, Forgery>>>> = {
  "Seek table": {
    "has another magic": seekTable((table) => table.writeUInt32LE(0x8f92eab0, table.length - 4)),
    "is no skippable frame": seekTable((table) => table.writeUInt32LE(0x184d2a5d, 0)),
    "has another length than its frames need": seekTable((table) =>
      table.writeUInt32LE(table.readUInt32LE(4) + 1, 4),
    ),
    "has checksums": seekTable((table) => table.writeUInt8(0x80, table.length - 5)),
    "says there are more frames": seekTable((table) => table.writeUInt32LE(99, table.length - 9)),
    "says a frame is longer": seekTable((table) =>
      table.writeUInt32LE(table.readUInt32LE(8) + 1, 8),
    ),
    "says a frame holds more": seekTable((table) =>
      table.writeUInt32LE(table.readUInt32LE(12) + 1, 12),
    ),
    "says a frame of content holds nothing": seekTable((table) => table.writeUInt32LE(0, 12)),
    "ends with a frame of content": seekTable((table) => {
      table.writeUInt32LE(1, table.length - 13);
    }),
  },
  "Contents list": {
    "is of another magic": {
      lies: {
        contents: (frame) => {
          frame.writeUInt32LE(0x184d2a50, 0);
          return frame;
        },
      },
    },
    "has another length": {
      lies: {
        contents: (frame) => {
          frame.writeUInt32LE(frame.readUInt32LE(4) - 1, 4);
          return frame;
        },
      },
    },
    "has no mark": footer((bytes) => bytes.writeUInt8(0, 15)),
    "has an index longer than itself": footer((bytes) => bytes.writeUInt32LE(2 ** 20, 0)),
    "has a shorter index": footer((bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(0) - 1, 0)),
    "has a longer authentication than fits": footer((bytes) => bytes.writeUInt32LE(2 ** 20, 4)),
    "has a shorter authentication": footer((bytes) => bytes.writeUInt32LE(1, 4)),
  },
  Index: {
    "is no JSON": indexText(() => "{"),
    "is empty": indexText(() => ""),
    "is null": indexText(() => "null"),
    "is a string": indexText(() => '"text"'),
    "is followed by more": indexText((text) => `${text}{}`),
    "has format 2": index({ format: 2 }),
    "has its format as a string": index({ format: "1" }),
    "has no format": index({ format: undefined }),
    "has no archive": index({ archive: undefined }),
    "has another archive": index({ archive: "other-20261123T000000Z.tar.zst.age" }),
    "has no created": index({ created: undefined }),
    "has a number as created": index({ created: 0 }),
    "has no writer": index({ writer: undefined }),
    "has null as writer": index({ writer: null }),
    "has no source": index({ source: undefined }),
    "has null as source": index({ source: null }),
    "has no paths": index({ source: {} }),
    "has one string as paths": index({ source: { paths: "x" } }),
    "has a number among its paths": index({ source: { paths: ["x", 1] } }),
    "has a number as repository": index({ source: { paths: [], repository: 1 } }),
    "has null as ref": index({ source: { paths: [], ref: null } }),
    "has a list as commit": index({ source: { paths: [], commit: [] } }),
    "has a number as run": index({ source: { paths: [], run: 17 } }),
    "has no totals": index({ totals: undefined }),
    "has another number of files": totals({ files: 4 }),
    "has another number of directories": totals({ directories: 1 }),
    "has another number of links": totals({ links: 1 }),
    "has other bytes": totals({ bytes: 1 }),
    "has more bytes than its tar": totals({ bytes: 2 ** 40 }),
    "has a total as a string": totals({ files: "3" }),
    "has a total with a fraction": totals({ links: 2.5 }),
    "has a negative total": totals({ directories: -2 }),
    "lacks a total": totals({ links: undefined }),
    "has another tar size": { lies: { index: (i) => ({ ...i, tarSize: i.tarSize + 512 }) } },
    "has its tar size as a string": {
      lies: { index: (i) => ({ ...i, tarSize: String(i.tarSize) }) },
    },
    "has no warnings": index({ warnings: undefined }),
    "has an object as warnings": index({ warnings: {} }),
    "has a warning without path": index({ warnings: [{ problem: "x" }] }),
    "has a warning without problem": index({ warnings: [{ path: "x" }] }),
    "has null as a warning": index({ warnings: [null] }),
    "has no segments": index({ segments: undefined }),
    "has an empty list of segments": index({ segments: [] }),
    "has an object as segments": index({ segments: {} }),
    "has null as a segment": index({ segments: [null] }),
    "has a segment twice": {
      lies: { index: (i) => ({ ...i, segments: [i.segments[0], i.segments[0]] }) },
    },
  },
  "A segment": {
    "lies elsewhere": {
      lies: {
        index: (i) => ({
          ...i,
          segments: [{ ...i.segments[0], offset: i.segments[0]!.offset + 1 }],
        }),
      },
    },
    "lies beyond the index": segment({ offset: 2 ** 40 }),
    "has a negative offset": segment({ offset: -1 }),
    "has its offset as a string": segment({ offset: "8" }),
    "is too short": segment({ size: 10 }),
    "is longer than 64 MiB": segment({ size: 64 * 2 ** 20 + 1 }),
    "has shorter lines than it says": segment({ length: 10_000 }),
    "has longer lines than it says": segment({ length: 10 }),
    "has lines of more than 64 MiB": segment({ length: 64 * 2 ** 20 + 1 }),
    "has more than eight times its tar": {
      lies: {
        segment: (bytes) => Buffer.concat([Buffer.from(" ".repeat(200_000)), bytes]),
      },
    },
    "has fewer entries than it says": segment({ entries: 8 }),
    "has more entries than it says": segment({ entries: 6 }),
    "has no number of entries": segment({ entries: undefined }),
    "starts where it is not needed": segment({ start: 5000 }),
    "has a negative start": segment({ start: -1 }),
    "has another first": segment({ first: "a" }),
    "has no first": segment({ first: undefined }),
    "has a number as first": segment({ first: 1 }),
    "has another digest": segment({ sha256: ZEROS }),
    "has a digest in capitals": {
      lies: {
        index: (i) => ({
          ...i,
          segments: i.segments.map((s) => ({ ...s, sha256: s.sha256.toUpperCase() })),
        }),
      },
    },
    "has no digest": segment({ sha256: undefined }),
  },
  "A line": {
    "is no JSON": lines((text) => text.replace("{", "")),
    "is null": lines((text) => text.replace(/.*\n$/, "null\n")),
    "is a list": lines((text) => text.replace(/.*\n$/, "[]\n")),
    "is empty": lines((text) => `${text}\n`),
    "has no end": lines((text) => text.slice(0, -1)),
    "is too many": lines(
      (text) => `${text}{"path":"z","type":"directory","mode":493,"mtime":"0"}\n`,
    ),
    "is missing": lines((text) => text.replace(/.*\n$/, "")),
    "has a number with a leading zero": lines((text) => text.replace('"mode":420', '"mode":0420')),
    "has no path": lying("e/f", { path: undefined }),
    "has a number as path": lying("e/f", { path: 1 }),
    "has another type": lying("e/f", { type: "device" }),
    "has a type in capitals": lying("e/f", { type: "FILE" }),
    "has no type": lying("e/f", { type: undefined }),
    "has no mode": lying("e/f", { mode: undefined }),
    "has a mode as a string": lying("e/f", { mode: "420" }),
    "has a mode with a fraction": stating("e/f", { mode: 420.5 }),
    "has a negative mode": lying("e/f", { mode: -1 }),
    "has a mode of more than twelve bits": stating("e/f", { mode: 0o10000 }),
    "has no time": lying("e/f", { mtime: undefined }),
    "has a number as time": lying("e/f", { mtime: 1_700_000_000 }),
    "has an empty time": lying("e/f", { mtime: "" }),
    "has a time in words": lying("e/f", { mtime: "now" }),
    "has a time with a plus": lying("e/f", { mtime: "+1700000000" }),
    "has a time with an exponent": lying("e/f", { mtime: "17e8" }),
    "has a time that ends with a point": lying("e/f", { mtime: "1700000000." }),
    "has a time of ten decimals": stating("e/f", { mtime: "1.0123456789" }),
    "has a time of fourteen digits": stating("e/f", { mtime: "01700000000000" }),
    "has a time too late": stating("e/f", { mtime: "8640000000001" }),
    "has a time too late by a fraction": stating("e/f", { mtime: "8640000000000.5" }),
    "has a time too early": stating("e/f", { mtime: "-8640000000001" }),
    "has a time with a line end": lying("e/f", { mtime: "1700000000\n" }),
    "has a negative owner": lying("e/f", { uid: -1 }),
    "has an owner beyond 32 bits": stating("e/f", { uid: 2 ** 32 }),
    "has a group beyond 32 bits": stating("e/f", { gid: 2 ** 32 }),
    "has null as owner": lying("e/f", { uid: null }),
    "has a group as a string": lying("e/f", { gid: "0" }),
    "has no size": lying("e/f", { size: undefined }),
    "has a negative size": lying("e/f", { size: -1 }),
    "has a size beyond 2^53": lying("e/f", { size: 2 ** 53 }),
    "has no offset": lying("e/f", { offset: undefined }),
    "has another offset": lying("e/f", { offset: 0 }),
    "has an offset elsewhere for an empty file": {
      tree: [folder("."), { ...file("a", ""), offset: 0 }],
    },
    "has no digest": lying("e/f", { sha256: undefined }),
    "has another digest": lying("e/f", { sha256: ZEROS }),
    "has a short digest": lying("e/f", { sha256: "00" }),
    "has its holes as a number": lying("e/f", { sparse: 1 }),
    "has its holes as null": lying("e/f", { sparse: null }),
    "has changed in another way": lying("e/f", { changed: "vanished" }),
    "has changed to null": lying("e/f", { changed: null }),
    "has no target": lying("c", { target: undefined }),
    "has a number as target": lying("c", { target: 1 }),
    "has an empty target": tree(link("c", "")),
    "has a target with NUL": tree(link("c", "x\0y")),
    "has a target with a stray surrogate": tree(link("c", "\ud800")),
    "has a target with valid UTF-8 escaped": tree(link("c", "\udcc3\udca9")),
  },
  "A path": {
    "is empty": tree(file("")),
    "is absolute": tree(file("/etc/evil")),
    "leads out": tree(file("../evil")),
    "leads out in its middle": tree(folder("a"), file("a/../../evil")),
    "is two dots": tree(folder("..")),
    "has a dot as part": tree(folder("a"), file("a/./b")),
    "has an empty part": tree(folder("a"), file("a//b")),
    "ends with a slash": tree(folder("a/")),
    "has a NUL": tree(file("a\0b")),
    "has a stray surrogate": tree(file("a\ud800b")),
    "escapes ASCII": tree(file("\udc2e")),
    "escapes valid UTF-8": tree(file("\udcc3\udca9")),
    "escapes valid UTF-8 of four bytes": tree(file("\udcf0\udc9f\udc98\udc80")),
    "is the root's, of a file": { tree: [file(".")] },
    "is the root's, late": { tree: [file("a"), folder(".")] },
    "is the root's, twice": tree(folder(".")),
  },
  Order: {
    "has names the other way round": tree(file("b"), file("a")),
    "has names by bytes where code units differ": tree(file("\uffff"), file("\u{10000}")),
    "has a name twice": tree(file("a"), file("a", "other")),
    "has a folder twice": tree(folder("a"), file("a/b"), folder("a")),
    "enters a folder again": tree(folder("a"), file("b"), file("a/c")),
    "enters a deep folder again": tree(
      folder("a"),
      folder("a/b"),
      file("a/c"),
      file("a/b/d"),
      file("e"),
    ),
    "has a file below a file": tree(file("a"), file("a/b")),
    "has a file below a link": tree(link("a", "x"), file("a/b")),
    "has a file below nothing": tree(file("a/b")),
    "has a hard link to nothing": tree(hardlink("a", "b")),
    "has a hard link to what comes later": tree(hardlink("a", "b"), file("b")),
    "has a hard link to itself": tree(hardlink("a", "a")),
    "has a hard link to a hard link": tree(file("a"), hardlink("b", "a"), hardlink("c", "b")),
    "has a hard link to a symbolic link": tree(link("a", "x"), hardlink("b", "a")),
    "has a hard link to a folder": tree(folder("a"), hardlink("b", "a")),
    "has a hard link to the root": tree(hardlink("a", ".")),
    "has a hard link that leads out": tree(hardlink("a", "../x")),
    "has a hard link with an empty target": tree(hardlink("a", "")),
  },
  Tar: {
    "has another size in a header": lying("b", { size: 8999 }),
    "has another mode in a header": lying("a", { mode: 0o4777 }),
    "has another owner in a header": lying("a", { uid: 1234 }),
    "has another time in a header": lying("a", { mtime: "1700000001" }),
    "has another fraction in a header": lying("a", { mtime: "1700000000.5" }),
    "has another target in a header": lying("c", { target: "b" }),
    "has another name in a header": lying("e/f", { path: "e/g" }),
    "has another content": {
      lies: {
        tar: (tar) => {
          tar.write("F", tar.indexOf("first"));
          return tar;
        },
      },
    },
    "has padding that is not zeros": {
      lies: {
        tar: (tar) => {
          tar[tar.indexOf("first") + 5] = 1;
          return tar;
        },
      },
    },
    "has a reserved byte in a header": {
      lies: {
        header: (header, { path }) => {
          if (path === "a") header.write("user", 265);
          return header;
        },
      },
    },
    "has no trailer": { lies: { tar: (tar) => tar.subarray(0, -1024) } },
    "has half a trailer": { lies: { tar: (tar) => tar.subarray(0, -512) } },
    "goes on": { lies: { tar: (tar) => Buffer.concat([tar, Buffer.alloc(512)]) } },
    "has a trailer that is not zeros": {
      lies: {
        tar: (tar) => {
          tar[tar.length - 1] = 1;
          return tar;
        },
      },
    },
    "has frames in another order": {
      lies: { frames: ([first, second, ...rest]) => [second!, first!, ...rest] },
    },
    "has a frame behind another": {
      lies: {
        frames: ([first, second, ...rest]) => [
          {
            bytes: Buffer.concat([first!.bytes, second!.bytes]),
            compressed: first!.compressed + second!.compressed,
            decompressed: first!.decompressed,
          },
          ...rest,
        ],
      },
    },
    "has a frame said to hold nothing": {
      lies: { frames: (frames) => [{ ...frames[0]!, decompressed: 0 }, ...frames] },
    },
    "has more contents frames than segments": {
      lies: {
        frames: (frames) => {
          const bytes = Buffer.from([0x52, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
          return [...[1, 2].map(() => ({ bytes, compressed: 8, decompressed: 0 })), ...frames];
        },
      },
    },
  },
};

/** What is odd and right all the same. */
export const TAKEN: Readonly<Record<string, Forgery>> = {
  "as any writer makes it": {},
  "without root": { tree: [file("a"), file("b")] },
  "without anything": { tree: [], lies: { index: (i) => ({ ...i, segments: [] }) } },
  "with fields of a later writer": {
    lies: {
      entry: (entry) => ({ ...entry, later: [1] }),
      index: (i) => ({ ...i, later: { x: 1 }, totals: { ...i.totals, later: "x" } }),
    },
  },
  "with spaces and numbers in other spellings": {
    lies: {
      segment: (bytes) =>
        Buffer.from(bytes.toString().replace('"mode":420', '"mode" : 4.2e2 , "gid":-0')),
      indexBytes: (bytes) =>
        Buffer.from(bytes.toString().replace('"format":1', ' "format": 1.0 , "format": 10e-1')),
    },
  },
  "with names escaped": lines((text) => text.replace('"path":"a"', '"p\\u0061th":"\\u0061"')),
  "with member names repeated, as the last says": {
    lies: {
      segment: (bytes) =>
        Buffer.from(bytes.toString().replaceAll('"mode":420', '"mode":"x","mode":420')),
      indexBytes: (bytes) =>
        Buffer.from(bytes.toString().replace('{"format":1', '{"format":2,"format":1')),
    },
  },
  "with a time of leading zeros": stating("a", { mtime: "0000000007" }),
  "with a time of leading zeros and a fraction": stating("a", { mtime: "007.500" }),
  "with a time of minus nothing": stating("a", { mtime: "-0" }),
  "with a time right before 1970": stating("a", { mtime: "-0.5" }),
  "with the last time there is": stating("a", { mtime: "8640000000000.000000000" }),
  "with owners of 32 bits": stating("a", { uid: 2 ** 32 - 1, gid: 2 ** 32 - 1 }),
  "with names by code units": tree(file("\u{10000}"), file("\uffff")),
  "with a name that is no UTF-8": tree(file("latin-\udce9"), link("z", "\udcff")),
};
