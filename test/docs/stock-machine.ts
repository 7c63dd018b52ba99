import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { read } from "./documents.ts";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** What is taken for granted on a machine, and what one has to bring. */
const STOCK = [
  ...["age", "basename", "bash", "cat", "curl", "dirname", "git", "grep", "ls", "mkdir", "openssl"],
  ...["sed", "sha256sum", "sort", "tar", "tee", "zstd"],
];

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether `restbackup` is there, too. */
  readonly restbackup?: boolean;
  /** What somebody types when a program asks at the terminal. */
  readonly typed?: string;
}

/** A machine with stock tools and an empty environment. */
export class StockMachine {
  readonly #bin: string;
  readonly #ours: string;
  readonly #home: string;

  constructor(root: string) {
    [this.#bin, this.#ours, this.#home] = ["bin", "ours", "home"].map((name) =>
      fs.mkdirSync(path.join(root, name), { recursive: true }),
    ) as [string, string, string];
    for (const name of STOCK) fs.symlinkSync(find(name), path.join(this.#bin, name));
    fs.symlinkSync(process.execPath, path.join(this.#ours, "node"));
    fs.writeFileSync(
      path.join(this.#ours, "restbackup"),
      `#!${find("bash")}\nexec node '${CLI}' "$@"\n`,
      { mode: 0o755 },
    );
  }

  run(script: string, { cwd, env = {}, restbackup = false, typed }: RunOptions): Promise<Outcome> {
    const PATH = restbackup ? `${this.#bin}:${this.#ours}` : this.#bin;
    const options = { cwd, env: { PATH, HOME: this.#home, ...env } };
    if (typed === undefined) return outcomeOf(spawn(find("bash"), ["-c", script], options));
    // `script` gives it a terminal; what both streams say comes mixed.
    const file = path.join(this.#home, "typed.sh");
    fs.writeFileSync(file, script);
    const terminal = ["-qec", `${find("bash")} '${file}'`, "/dev/null"];
    const child = spawn(find("script"), terminal, options);
    child.stdout.on("data", (text) => {
      if (String(text).includes("passphrase:")) child.stdin.write(`${typed}\n`);
    });
    return outcomeOf(child);
  }
}

function find(program: string): string {
  const folders = process.env.PATH!.split(path.delimiter);
  const file = folders.map((folder) => path.join(folder, program)).find(fs.existsSync);
  if (file === undefined) throw new Error(`${program} is not installed`);
  return file;
}

function outcomeOf(child: ReturnType<typeof spawn>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject).on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The commands of a document, section by section, and which of them were handed out. */
export class Commands {
  readonly #sections: ReadonlyMap<string, readonly string[]>;
  readonly #taken = new Set<string>();

  constructor(document: string) {
    const sections = read(document).split(/^## (?=.)/m);
    this.#sections = new Map(
      sections.map((section) => [
        section.split("\n", 1)[0]!,
        [...section.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => block.replaceAll(/^ {4}/gm, "")),
      ]),
    );
  }

  /**
   * A block of a section, both counted from 0, as it is printed but for what stands to the right of
   * assignments: that has to be given.
   */
  take(section: number, block: number, values: Readonly<Record<string, string>> = {}): string {
    const found = [...this.#sections.values()][section]?.[block];
    if (found === undefined) throw new Error(`there is no block ${block} in section ${section}`);
    this.#taken.add(found);
    return found.replaceAll(/^([A-Z]+)=.*$/gm, (_, name: string) => {
      if (values[name] === undefined) throw new Error(`no value for ${name}`);
      return `${name}='${values[name]}'`;
    });
  }

  /** Blocks that nobody has taken. */
  get rest(): string[] {
    return [...this.#sections.values()].flat().filter((block) => !this.#taken.has(block));
  }
}
