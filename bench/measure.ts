import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";

export interface Measured {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** Peak resident memory in bytes of the process, or of the heaviest it started; 0 where the system does not tell. */
  readonly peakRss: number;
}

/** Runs a program to its end, with the clock on it and an eye on its memory. */
export async function measure(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<Measured> {
  const start = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const memory = watchMemory(child);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
  const [code] = await ended;
  return {
    code,
    stdout: stdout.toString(),
    stderr: stderr.toString(),
    seconds: (performance.now() - start) / 1000,
    peakRss: memory.stop(),
  };
}

/** The highest of several runs. */
export function peakOf(runs: readonly Measured[]): number {
  return Math.max(...runs.map(({ peakRss }) => peakRss));
}

/** The kernel keeps the high-water mark, so looking now and then misses only the very end. */
function watchMemory(child: Pick<ChildProcess, "pid">): { stop(): number } {
  let peak = 0;
  const look = (): void => {
    for (const pid of [child.pid!, ...descendants(child.pid!)])
      peak = Math.max(peak, peakRssOf(pid));
  };
  const timer = setInterval(look, 20);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}

function descendants(pid: number): number[] {
  const children = readOrEmpty(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function peakRssOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** Gone already, or no such file system. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
