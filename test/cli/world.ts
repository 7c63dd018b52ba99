import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { generateIdentity } from "../../src/encryption/keys.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Halves the time of each start. */
const COMPILE_CACHE = fileURLToPath(new URL("../../node_modules/.cache/node", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the JSON documents hold that tests look at. */
interface Document {
  readonly entry: string;
  readonly entries: readonly { readonly path?: string; readonly entry?: string }[];
  readonly authenticated: readonly string[];
  readonly authenticity: unknown;
  readonly restore: string;
  readonly [field: string]: unknown;
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Options of Node itself. */
  readonly node?: readonly string[];
  /** For commands whose very result is a secret. */
  readonly showsSecrets?: boolean;
}

/** A machine of its own: an empty home, a folder to work in, and a tree worth a backup. */
export class World {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "restbackup-test-cli-")));
  readonly home = join(this.root, "home");
  readonly work = join(this.root, "work");
  readonly temporary = join(this.root, "tmp");
  /** `./website` in the folder to work in. */
  readonly tree = join(this.work, "website");
  readonly keyFile = join(this.home, ".config", "restbackup", "key.txt");
  readonly storeFolder = join(this.home, ".local", "share", "restbackup", "store");
  readonly #secrets: string[] = [];

  constructor() {
    for (const folder of [this.home, this.temporary, join(this.tree, "docs")]) {
      mkdirSync(folder, { recursive: true });
    }
    writeFileSync(join(this.tree, "index.html"), "<h1>hello</h1>\n");
    writeFileSync(join(this.tree, "docs", "a b.txt"), "text\n");
    symlinkSync("index.html", join(this.tree, "link"));
    linkSync(join(this.tree, "index.html"), join(this.tree, "same.html"));
  }

  /** From now on, a run whose output holds this fails. */
  hide(secret: string): string {
    this.#secrets.push(secret);
    return secret;
  }

  /** A new key in a file, hidden. */
  async newKey(name: string): Promise<{ file: string; identity: string; recipient: string }> {
    const { identity, recipient } = await generateIdentity();
    this.hide(identity);
    return { file: this.file(name, `${identity}\n`), identity, recipient };
  }

  /** A file for its owner alone, below the root. */
  file(name: string, content: string, mode = 0o600): string {
    const path = join(this.root, name);
    writeFileSync(path, content, { mode });
    return path;
  }

  /** The url of a directory store that is not the default. */
  storeUrl(name: string): string {
    return pathToFileURL(join(this.root, name)).href;
  }

  /** Starts the real program. */
  start(args: readonly string[], options: RunOptions = {}): ChildProcess {
    return spawn(process.execPath, [...(options.node ?? []), MAIN, ...args], {
      cwd: options.cwd ?? this.work,
      env: {
        PATH: process.env.PATH,
        HOME: this.home,
        TMPDIR: this.temporary,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Runs the real program to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const outcome = await outcomeOf(this.start(args, options));
    const shown = outcome.stdout + outcome.stderr;
    for (const secret of this.#secrets) {
      if (options.showsSecrets !== true && shown.includes(secret)) {
        throw new Error(`restbackup ${args[0]} printed a secret`);
      }
    }
    return outcome;
  }

  /** Runs it with --json and reads the document. */
  async json(args: readonly string[], options: RunOptions = {}): Promise<Document> {
    const { code, stdout, stderr } = await this.run([...args, "--json"], options);
    if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
    return JSON.parse(stdout) as Document;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
