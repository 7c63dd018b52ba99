import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { below, type Name, type Seen, treeOf } from "../support/trees.ts";

/** A folder's life: changes at random, and archives of it by the real GNU tar. */

export type Format = "gnu" | "posix";

export interface Chain {
  /** Paths of full, inc1, inc2, ... */
  readonly archives: readonly string[];
  /** The folder as it was when each was made. */
  readonly states: readonly Map<string, Seen>[];
  /** The folder as GNU tar restores it to each; undefined where it said that it could not. */
  readonly restored: readonly (Map<string, Seen> | undefined)[];
}

export interface History {
  readonly seed: number;
  readonly format: Format;
  readonly increments: number;
  /** What is archived: `.` from within the folder, or the folder by its name. */
  readonly from: "within" | "above";
  /**
   * How many folders are renamed, swapped or replaced between archives. GNU tar cannot restore
   * some combinations of several, so a chain that it restores to its end has few.
   */
  readonly upheavals: number;
}

/** Whole numbers below a limit, the same for the same seed (mulberry32). */
type Random = (limit: number) => number;

function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Lives a history below `folder`, archives included. */
export async function live(folder: string, history: History): Promise<Chain> {
  const { seed, format, increments, from, upheavals } = history;
  const tree = new LivingTree(join(folder, "tree"), randomFrom(seed));
  const archives: string[] = [];
  const states: Map<string, Seen>[] = [];
  for (let level = 0; level <= increments; level++) {
    for (let count = level === 0 ? 50 : 0; count > 0; count--) tree.grow();
    for (let count = 14; count > 0; count--) tree.change();
    for (let count = level === 0 ? 0 : upheavals; count > 0; count--) tree.upheave();
    // Times of changes are those of the system's clock, which ticks a few times in 10 ms only.
    await pause();
    const archive = join(folder, level === 0 ? "full.tar" : `inc${level}.tar`);
    archiveIncrement(folder, archive, format, from);
    archives.push(archive);
    states.push(treeOf(tree.root));
    await pause();
  }
  const restored = restoreWithTar(folder, archives, from);
  return { archives, states, restored };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 25));
}

/** `tar --create --listed-incremental`, of the folder `tree` below `folder`. */
export function archiveIncrement(
  folder: string,
  archive: string,
  format: Format,
  from: History["from"] = "within",
): void {
  const { status, stderr } = spawnSync(
    "tar",
    [
      ...["--create", `--listed-incremental=${join(folder, "snapshot")}`, `--format=${format}`],
      ...["--sparse", "--file", archive],
      ...(from === "within" ? ["--directory", join(folder, "tree"), "."] : []),
      ...(from === "above" ? ["--directory", folder, "tree"] : []),
    ],
    { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } },
  );
  if (status !== 0) throw new Error(`tar could not make an archive: ${stderr}`);
}

function restoreWithTar(
  folder: string,
  archives: readonly string[],
  from: History["from"],
): (Map<string, Seen> | undefined)[] {
  const target = join(folder, "by-tar");
  fs.mkdirSync(target);
  let failed = false;
  return archives.map((archive) => {
    const { status } = spawnSync(
      "tar",
      [
        ...["--extract", "--listed-incremental=/dev/null", "--file", archive],
        ...["--preserve-permissions", "--no-same-owner"],
      ],
      // Not with --directory: tar makes its temporary folders, for names that swap, in this one.
      { cwd: target, encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } },
    );
    failed ||= status !== 0;
    return failed ? undefined : treeOf(from === "within" ? target : join(target, "tree"));
  });
}

const NAMES: readonly Name[] = [
  ...["a", "b", "c", "d", "e", "f", "g", "h"],
  ...[
    "with space",
    "new\nline",
    "tab\t",
    "-dash",
    "--checkpoint=1",
    "back\\slash",
    "*?[x]",
    ".hid",
  ],
  ...["é", "e\u0301", "🦀", "…", "R", "T", "X", "D", "Y", "N"],
  "l".repeat(101),
  "m".repeat(255),
  Buffer.from([0x66, 0xff, 0xfe]),
];

/** A folder with files in it that change. Never goes outside. */
class LivingTree {
  readonly root: string;
  readonly #random: Random;

  constructor(root: string, random: Random) {
    this.root = root;
    this.#random = random;
    fs.mkdirSync(root);
  }

  /** Makes something new. */
  grow(): void {
    this.#attempt([
      () => fs.mkdirSync(this.#free()),
      () => fs.mkdirSync(this.#free()),
      () => this.#write(this.#free()),
      () => this.#write(this.#free()),
      () => this.#sparse(this.#free()),
      () => fs.linkSync(this.#pick("file"), this.#free()),
    ]);
  }

  /** Changes something; now and then nothing, where what was drawn cannot be done. */
  change(): void {
    this.#attempt([
      ...Array.from({ length: 5 }, () => () => this.#write(this.#free())),
      ...Array.from({ length: 4 }, () => () => fs.mkdirSync(this.#free())),
      () => this.#write(this.#pick("file")),
      () => fs.appendFileSync(this.#pick("file"), "more"),
      () => fs.unlinkSync(this.#pick("file")),
      () => fs.renameSync(this.#pick("file"), this.#free()),
      () => fs.linkSync(this.#pick("file"), this.#free()),
      () =>
        fs.symlinkSync(this.#choose(["a", "../b", "/etc/hostname", "x".repeat(150)]), this.#free()),
      () => fs.unlinkSync(this.#pick("symlink")),
      () => this.#sparse(this.#free()),
      () => fs.chmodSync(this.#pick("file"), this.#choose([0o600, 0o755, 0o444, 0o640, 0o4755])),
      () => fs.chmodSync(this.#pick("directory"), this.#choose([0o700, 0o755, 0o1777, 0o2750])),
      () => fs.utimesSync(this.#pick("file"), 1, this.#random(2e9) + this.#random(1000) / 1000),
      () => fs.lutimesSync(this.#pick("symlink"), 1, this.#random(2e9)),
      () => this.#become("file", (path) => fs.mkdirSync(path)),
      () => this.#become("symlink", (path) => fs.mkdirSync(path)),
      () => this.#become("file", (path) => fs.symlinkSync("b", path)),
      () => this.#become("symlink", (path) => this.#write(path)),
    ]);
  }

  /** Changes a folder as a whole. */
  upheave(): void {
    this.#attempt([
      ...Array.from(
        { length: 5 },
        () => () => fs.renameSync(this.#pick("directory"), this.#free()),
      ),
      () => fs.rmSync(this.#pick("directory"), { recursive: true }),
      () => this.#swap(this.#pick("directory"), this.#pick("directory")),
      () => this.#become("directory", (path) => this.#write(path)),
      () => this.#become("directory", (path) => fs.symlinkSync("a", path)),
      // Another takes its place.
      () => this.#become("directory", (path) => fs.renameSync(this.#pick("directory"), path)),
    ]);
  }

  #attempt(changes: readonly (() => void)[]): void {
    try {
      this.#choose(changes)();
    } catch (error) {
      // Nothing of that kind, or a folder into itself.
      if (!(error instanceof NothingThere) && !isSystemError(error)) throw error;
    }
  }

  #choose<T>(items: readonly T[]): T {
    if (items.length === 0) throw new NothingThere();
    return items[this.#random(items.length)]!;
  }

  #all(kind: Seen["kind"]): Buffer[] {
    const found: Buffer[] = [];
    const visit = (folder: Buffer): void => {
      for (const name of fs.readdirSync(folder, { encoding: "buffer" }).sort(Buffer.compare)) {
        const path = below(folder, name);
        const stat = fs.lstatSync(path);
        const is = stat.isDirectory() ? "directory" : stat.isFile() ? "file" : "symlink";
        if (is === kind) found.push(path);
        if (is === "directory") visit(path);
      }
    };
    visit(Buffer.from(this.root));
    return found;
  }

  #pick(kind: Seen["kind"]): Buffer {
    return this.#choose(this.#all(kind));
  }

  /** A path where nothing is. */
  #free(): Buffer {
    const folder = this.#choose([Buffer.from(this.root), ...this.#all("directory")]);
    return below(folder, this.#choose(NAMES));
  }

  #write(path: Buffer): void {
    const size = this.#choose([0, 1, 511, 512, 513, 10_000, 70_000]);
    fs.writeFileSync(path, Buffer.alloc(size, String(this.#random(1e9))));
  }

  #sparse(path: Buffer): void {
    const fd = fs.openSync(path, "wx");
    try {
      for (let pieces = this.#random(30); pieces > 0; pieces--) {
        fs.writeSync(fd, "data", this.#random(200) * 8192);
      }
      fs.ftruncateSync(fd, 200 * 8192 + this.#random(9000));
    } finally {
      fs.closeSync(fd);
    }
  }

  #swap(one: Buffer, other: Buffer): void {
    const aside = Buffer.from(`${this.root}-aside`);
    fs.renameSync(one, aside);
    try {
      fs.renameSync(other, one);
      fs.renameSync(aside, other);
    } finally {
      // One lay in the other.
      if (fs.existsSync(aside)) fs.renameSync(aside, one);
    }
  }

  #become(kind: Seen["kind"], make: (path: Buffer) => void): void {
    const path = this.#pick(kind);
    fs.rmSync(path, { recursive: true });
    make(path);
  }
}

class NothingThere extends Error {}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
