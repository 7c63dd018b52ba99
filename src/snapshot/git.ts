import { type ChildProcess, spawn } from "node:child_process";
import { Readable } from "node:stream";
import { RestbackupError, systemCode } from "../errors.ts";

/** How much of what git says about a failure is kept, in characters. */
const KEPT_STDERR = 8192;
/** How long git has to end after SIGTERM, in milliseconds. */
const GRACE = 5000;

export interface GitOptions {
  /** All variables its processes get. */
  readonly env: Readonly<Record<string, string>>;
  /** What must not be in a message, should a server send it back. */
  readonly secrets: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** A git command that failed. The message is git's own, without secrets. */
export class GitFailure extends RestbackupError {
  readonly stderr: string;

  constructor(what: string, how: string, stderr: string) {
    super("io", `git ${what} ${how}${stderr === "" ? "." : `: ${lastLines(stderr)}`}`);
    this.stderr = stderr;
  }
}

/** Runs git in a folder. */
export class Git {
  readonly folder: string;
  readonly #options: GitOptions;

  constructor(folder: string, options: GitOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** The same git in another folder. */
  in(folder: string): Git {
    return new Git(folder, this.#options);
  }

  /** What a command prints, as text. Throws {@link GitFailure}. */
  async run(args: readonly string[]): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.stream(args)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  /** What a command prints, in parts that end with `end`, without it. Throws {@link GitFailure}. */
  async *lines(args: readonly string[], end = "\n"): AsyncGenerator<string> {
    let rest: Buffer = Buffer.alloc(0);
    const separator = Buffer.from(end);
    for await (const chunk of this.stream(args)) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let at = rest.indexOf(separator); at !== -1; at = rest.indexOf(separator, start)) {
        yield rest.toString("utf8", start, at);
        start = at + 1;
      }
      rest = rest.subarray(start);
    }
    if (rest.length > 0) yield rest.toString();
  }

  /**
   * What a command prints, as it comes. Throws {@link GitFailure} when it fails, `io` when there
   * is no git. A caller that stops early, and the signal, end it with all processes it started.
   */
  async *stream(args: readonly string[], input?: AsyncIterable<string>): AsyncGenerator<Buffer> {
    const { env, signal } = this.#options;
    signal?.throwIfAborted();
    const child = spawn("git", [...args], {
      cwd: this.folder,
      env: { ...env },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      // A group of its own, so that it can be stopped whole; and without a terminal to ask at.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    const stop = () => stopGroup(child);
    signal?.addEventListener("abort", stop, { once: true });
    const ended = new Promise<number | string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, killedBy) => resolve(code ?? killedBy ?? ""));
    });
    // Looked at below; until then a failure is no stray one.
    ended.catch(() => {});
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-KEPT_STDERR);
    });
    const fed = input === undefined ? undefined : feed(child, input);
    let finished = false;
    try {
      for await (const chunk of child.stdout!) yield chunk;
      const how = await ended;
      finished = true;
      signal?.throwIfAborted();
      await fed;
      if (how === 0) return;
      const words = typeof how === "string" ? `was ended by ${how}` : `failed (${how})`;
      throw new GitFailure(args[0]!, words, this.#withoutSecrets(stderr.trim()));
    } catch (error) {
      signal?.throwIfAborted();
      throw systemCode(error) === "ENOENT" ? noGit(error) : error;
    } finally {
      signal?.removeEventListener("abort", stop);
      if (!finished) await endOf(child, ended);
    }
  }

  #withoutSecrets(text: string): string {
    return this.#options.secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
  }
}

/** Writes to stdin. A program that ends before it has read all has its own failure to tell. */
async function feed(child: ChildProcess, input: AsyncIterable<string>): Promise<void> {
  const stdin = child.stdin!;
  stdin.on("error", () => {});
  try {
    for await (const chunk of Readable.from(input)) {
      if (stdin.destroyed) return;
      if (!stdin.write(chunk)) {
        await new Promise<void>((resolve) => {
          stdin.once("drain", resolve).once("close", resolve);
        });
      }
    }
  } finally {
    stdin.end();
  }
}

async function endOf(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.pid === undefined) return;
  stopGroup(child);
  // Its folder is about to be removed: nothing may write there any more.
  child.stdout!.resume();
  await ended.catch(() => {});
}

function stopGroup(child: ChildProcess): void {
  killGroup(child, "SIGTERM");
  const timer = setTimeout(() => killGroup(child, "SIGKILL"), GRACE);
  child.once("exit", () => clearTimeout(timer));
  if (child.exitCode !== null || child.signalCode !== null) clearTimeout(timer);
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (process.platform === "win32") child.kill(signal);
    else if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // Nothing of it runs any more.
  }
}

function noGit(cause: unknown): RestbackupError {
  return new RestbackupError("io", "The program git was not found.", {
    cause,
    hint: "Install git 2.31 or later, and see that it is on the PATH.",
  });
}

/** The last of what git said, which is where it says why. */
function lastLines(stderr: string): string {
  return stderr.split("\n").slice(-5).join("\n").slice(-1000);
}
