import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { Header, Parser, Pax, ReadEntry } from "tar";
import { describe, expect, it } from "vitest";
import type { ContentsEntry } from "../../src/archive/contents.ts";
import { isEscaped, pathToBytes } from "../../src/archive/path-bytes.ts";
import { BLOCK, paddedSize, TRAILER, tarHeader } from "../../src/archive/tar-header.ts";
import { requireProgram } from "../support/programs.ts";
import { entries } from "./entries.ts";

/** What a reader finds in a header; paths and targets in bytes, as hex. */
interface Read {
  type: string;
  path: string;
  mode: number;
  mtime: string;
  uid: number;
  gid: number;
  size: number;
  target: string;
}

function stated(entry: ContentsEntry): Read {
  return {
    type: entry.type,
    path: pathToBytes(entry.path).toString("hex"),
    mode: entry.mode,
    mtime: entry.mtime,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    size: entry.size ?? 0,
    target: pathToBytes(entry.target ?? "").toString("hex"),
  };
}

/** Python's tarfile, which shares no code or author with ours: a header in hex on each line. */
const PYTHON = `
import io, json, sys, tarfile
TYPES = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
for line in sys.stdin:
    file = io.BytesIO(bytes.fromhex(line))
    info = tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape").firstmember
    to_hex = lambda text: text.encode("utf-8", "surrogateescape").hex()
    print(json.dumps({"type": TYPES[info.type], "path": to_hex(info.name), "mode": info.mode,
        "mtime": info.pax_headers.get("mtime", str(int(info.mtime))), "uid": info.uid, "gid": info.gid,
        "size": info.size, "target": to_hex(info.linkname)}))
`;

function readByPython(headers: readonly Buffer[]): Read[] {
  const input = headers.map((header) => `${header.toString("hex")}\n`).join("");
  const { stdout, stderr, status } = spawnSync("python3", ["-c", PYTHON], {
    input,
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(String(stderr));
  return String(stdout)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** The tar package takes all text for UTF-8, and ends a PAX record at the first line end. */
function fitsPackage({ path, target }: ContentsEntry): boolean {
  return ![path, target ?? ""].some((text) => isEscaped(text) || /[\n\ufeff]/.test(text));
}

/** The classes of the tar package. */
function readByPackage(header: Buffer): Read {
  let at = 0;
  let pax: Pax | undefined;
  const first = new Header(header, 0);
  if (first.type === "ExtendedHeader") {
    at = BLOCK + paddedSize(first.size!);
    pax = Pax.parse(header.toString("utf8", BLOCK, BLOCK + first.size!));
  }
  const block = new Header(header, at, pax as never);
  expect(block.cksumValid).toBe(true);
  const main = new ReadEntry(block, pax as never);
  const hex = (text: string | undefined) => Buffer.from(text ?? "").toString("hex");
  const types = { File: "file", Directory: "directory", SymbolicLink: "symlink", Link: "hardlink" };
  return {
    type: types[main.type as keyof typeof types],
    path: hex(main.path?.replace(/\/$/, "")),
    mode: main.mode!,
    mtime: String(main.mtime!.getTime()),
    uid: main.uid!,
    gid: main.gid!,
    size: main.size!,
    target: hex(main.linkpath),
  };
}

describe("a tar header", () => {
  it.skipIf(!requireProgram("python3", "an independent reader takes our tar headers"))(
    "says to Python's reader what the entry says, whatever the entry",
    () => {
      const some = fc.sample(entries, 1500);
      const read = readByPython(some.map((entry) => tarHeader(entry)));
      expect(read).toHaveLength(some.length);
      for (const [index, entry] of some.entries()) expect(read[index]).toEqual(stated(entry));
    },
  );

  it("says to the tar package what the entry says, as far as that is UTF-8", () => {
    fc.assert(
      fc.property(entries.filter(fitsPackage), (entry) => {
        // It keeps milliseconds, counted down.
        const milliseconds = String(Math.trunc(Number(entry.mtime) * 1000));
        expect(readByPackage(tarHeader(entry))).toEqual({ ...stated(entry), mtime: milliseconds });
      }),
      { numRuns: 500 },
    );
  });

  it("is a function of the entry's tar fields alone, and whole blocks", () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const header = tarHeader(entry);
        expect(header.length % BLOCK).toBe(0);
        const reordered = Object.fromEntries(Object.entries(entry).reverse());
        const more = { ...reordered, sha256: "0".repeat(64), offset: 77, sparse: true };
        expect(tarHeader(more as unknown as ContentsEntry)).toEqual(header);
      }),
    );
  });

  it("is one plain block where ustar can say it all", () => {
    const entry = { path: "a/plain file.txt", mode: 0o644, mtime: "1763890812" } as const;
    expect(tarHeader({ ...entry, type: "file", size: 5, uid: 1000, gid: 1000 })).toHaveLength(
      BLOCK,
    );
    expect(tarHeader({ ...entry, type: "directory", path: "p".repeat(99) })).toHaveLength(BLOCK);
    expect(tarHeader({ ...entry, type: "directory", path: "p".repeat(100) })).toHaveLength(
      3 * BLOCK,
    );
    expect(tarHeader({ ...entry, type: "file", mtime: "1763890812.5" })).toHaveLength(3 * BLOCK);
    expect(tarHeader({ ...entry, type: "file", path: "é" })).toHaveLength(3 * BLOCK);
  });
});

describe("a tar stream", () => {
  const small = entries.filter(({ size }) => (size ?? 0) <= 5000);

  function streamOf(some: readonly ContentsEntry[]): Buffer {
    const parts = some.flatMap((entry) => {
      const content = Buffer.alloc(paddedSize(entry.size ?? 0));
      return [tarHeader(entry), content.fill("content", 0, entry.size ?? 0)];
    });
    return Buffer.concat([...parts, TRAILER]);
  }

  it("passes the tar package's strict parser with the same entries", async () => {
    const some = fc.sample(small, 400).filter(fitsPackage);
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const parser = new Parser({
        strict: true,
        onReadEntry: (entry) => {
          seen.push(entry.path.replace(/\/$/, ""));
          entry.resume();
        },
      });
      parser.on("error", reject).on("end", resolve);
      parser.end(streamOf(some));
    });
    expect(seen).toEqual(some.map(({ path }) => path));
  });

  it.skipIf(!requireProgram("tar", "tar lists our archives"))(
    "is listed by the tar program, whole and without complaint",
    () => {
      const some = fc
        .sample(small, 400)
        .filter(({ path, target }) => !isEscaped(path) && !isEscaped(target ?? ""));
      const { status, stdout, stderr } = spawnSync("tar", ["-tf", "-"], { input: streamOf(some) });
      expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: "" });
      expect(String(stdout).trimEnd().split("\n")).toHaveLength(some.length);
    },
  );
});
