import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Text that compresses about as source code and logs do: no two lines alike. */
export function textBlock(lines: number, seed: number): Buffer {
  const words = [
    "archive",
    "frame",
    "recipient",
    "identity",
    "volume",
    "entry",
    "restore",
    "verify",
  ];
  const out: string[] = [];
  for (let line = 0; line < lines; line++) {
    const digest = createHash("md5").update(`${seed}:${line}`).digest();
    const picked = Array.from({ length: 8 }, (_, i) => words[digest[i]! % words.length]);
    out.push(`${seed}.${line} ${picked.join(" ")} ${digest.toString("hex", 8, 14)}\n`);
  }
  return Buffer.from(out.join(""));
}

/** A tree shaped like installed packages: many small files, about 4.4 kB each on average. */
export function makeSmallFiles(root: string, files: number): void {
  let text: Buffer = Buffer.alloc(0);
  for (let i = 0; i < files; i++) {
    const folder = join(root, `package-${Math.floor(i / 200)}`, `lib${Math.floor(i / 20) % 10}`);
    if (i % 20 === 0) mkdirSync(folder, { recursive: true });
    // Each package has text of its own.
    if (i % 200 === 0) text = textBlock(10_000, i);
    // Sizes spread from a few bytes to some ten kilobytes, small ones most.
    const size = 16 + Math.floor(17_400 * (((i * 7919) % 10_007) / 10_007) ** 3);
    const start = ((i % 200) * 4_400) % (text.length - size);
    writeFileSync(join(folder, `module-${i}.js`), text.subarray(start, start + size));
  }
}

/** Three big files: text, random, and both in turn. */
export function makeBigFiles(root: string, bytes: number): void {
  mkdirSync(root, { recursive: true });
  const each = Math.floor(bytes / 3);
  const block = 8 * 2 ** 20;
  const kinds: Record<string, (index: number) => Buffer> = {
    "text.log": (index) => textBlock(80_000, index % 5),
    "random.bin": () => randomBytes(block),
    "mixed.bin": (index) => (index % 2 === 0 ? textBlock(80_000, index % 5) : randomBytes(block)),
  };
  for (const [name, make] of Object.entries(kinds)) {
    const made = new Map<number, Buffer>();
    const file = openSync(join(root, name), "w");
    for (let written = 0, index = 0; written < each; index++) {
      const text = name !== "random.bin" && (name === "text.log" || index % 2 === 0);
      let piece = text ? made.get(index % 5) : undefined;
      if (piece === undefined) {
        piece = make(index);
        if (text) made.set(index % 5, piece);
      }
      written += writeSync(file, piece, 0, Math.min(piece.length, each - written));
    }
    closeSync(file);
  }
}

/** A repository with history: text files of which each commit changes a few, packed, and checked out. */
export function makeRepository(root: string, commits: number): void {
  mkdirSync(root, { recursive: true });
  const git = (args: readonly string[], input?: string) =>
    execFileSync("git", ["-C", root, ...args], {
      stdio: ["pipe", "ignore", "pipe"],
      input: input ?? "",
    });
  git(["init", "-q", "-b", "main"]);
  const text = textBlock(20_000, 9).toString("latin1");
  const stream: string[] = [];
  for (let commit = 0; commit < commits; commit++) {
    const message = `commit ${commit}\n`;
    stream.push(
      `commit refs/heads/main\ncommitter Bench <bench@example> ${1.7e9 + commit * 60} +0000\n` +
        `data ${message.length}\n${message}`,
    );
    for (let change = 0; change < 3; change++) {
      const file = (commit * 7 + change * 31) % 1500;
      const start = (file * 613) % (text.length - 16_000);
      const content = `${commit} ${change}\n${text.slice(start, start + 2000 + ((file * 37) % 14_000))}`;
      stream.push(
        `M 100644 inline src/part-${file % 40}/file-${file}.txt\ndata ${content.length}\n${content}\n`,
      );
    }
  }
  execFileSync("git", ["-C", root, "fast-import", "--quiet"], { input: stream.join("") });
  git(["gc", "-q"]);
  git(["checkout", "-q", "-f", "main"]);
}

/** Very many files of a few bytes. */
export function makeEmptyFiles(root: string, files: number): void {
  for (let i = 0; i < files; i++) {
    const folder = join(root, `f${Math.floor(i / 1000)}`);
    if (i % 1000 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, String(i)), i % 4 === 0 ? String(i) : "");
  }
}
