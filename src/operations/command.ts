import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { RestbackupError, systemCode } from "../errors.ts";

/** A command for a restored folder. */
export interface ShellCommand {
  /** One or more lines for a shell: `bash` or else `sh`, stopping at the first that fails; on Windows PowerShell. */
  readonly line: string;
  /** All environment variables it gets. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told each line it prints, on stdout or stderr. */
  readonly onLine: (text: string) => void;
}

/** How long a command has to end after SIGTERM, in milliseconds. */
const GRACE = 5000;

/**
 * Runs a command in a folder, without stdin. Throws `rehearsal-failed` when it fails, `io` when
 * there is no shell. Stopped by `signal`, with all processes it started where the system knows groups.
 */
export async function runCommand(
  folder: string,
  command: ShellCommand,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const child = await startShell(folder, command);
  const stop = () => stopGroup(child);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const lines = [child.stdout!, child.stderr!].map(async (input) => {
      for await (const line of createInterface({ input })) command.onLine(line);
    });
    const [code, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve) => {
        child.on("exit", (...how) => resolve(how));
      },
    );
    // What it left running would hold the output open, in a folder that goes away.
    killGroup(child, "SIGKILL");
    await Promise.all(lines);
    signal?.throwIfAborted();
    if (code === 0) return;
    const how = code === null ? `was ended by ${killedBy}` : `failed with exit code ${code}`;
    throw new RestbackupError("rehearsal-failed", `The command in the restored folder ${how}.`, {
      hint: "What it printed stands above. The backup itself could be restored, and every file was checked.",
    });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function startShell(folder: string, { line, env }: ShellCommand): Promise<ChildProcess> {
  let failure: unknown;
  for (const [shell, args] of shells(line)) {
    const child = spawn(shell, args, {
      cwd: folder,
      env: { ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that it can be stopped whole.
      detached: process.platform !== "win32",
    });
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve).once("error", reject);
      });
      return child;
    } catch (error) {
      failure = error;
      if (systemCode(error) !== "ENOENT") break;
    }
  }
  throw new RestbackupError("io", "There is no shell to run the command with.", { cause: failure });
}

/** As GitHub's runner starts them for `run:`. */
function shells(line: string): readonly (readonly [string, readonly string[]])[] {
  if (process.platform !== "win32") {
    return [
      ["bash", ["-e", "-c", line]],
      ["sh", ["-e", "-c", line]],
    ];
  }
  const script = `$ErrorActionPreference = 'stop'\n${line}\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }`;
  const args = ["-NoProfile", "-NonInteractive", "-Command", script];
  return [
    ["pwsh", args],
    ["powershell", args],
  ];
}

function stopGroup(child: ChildProcess): void {
  killGroup(child, "SIGTERM");
  const timer = setTimeout(() => killGroup(child, "SIGKILL"), GRACE);
  child.once("exit", () => clearTimeout(timer));
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-child.pid!, signal);
  } catch {
    // Nothing of it runs any more.
  }
}
