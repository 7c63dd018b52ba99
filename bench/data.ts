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
