import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { temporaryFolder } from "../../support/server.ts";

/** A system call of a process, of all its threads. */
export interface SystemCall {
  /** As strace has it, result included; file descriptors with their paths (`-y`). */
  readonly text: string;
  /** Places in the order of all beginnings and ends: a call was over before another began, or not. */
  readonly began: number;
  readonly ended: number;
}

export interface Strace {
  /** Detaches, and gives the calls that were made until then and did not fail. */
  stop(): Promise<SystemCall[]>;
}

/** Watches a running process with strace, from the moment on at which this resolves. */
export async function straceProcess(pid: number, args: readonly string[]): Promise<Strace> {
  const folder = temporaryFolder("strace");
  const log = join(folder, "log");
  const strace = spawn("strace", ["-f", "-y", "-o", log, ...args, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(strace, "exit");
  for await (const line of createInterface({ input: strace.stderr })) {
    if (line.includes(`Process ${pid} attached`)) break;
    if (/Operation not permitted|No such process/.test(line)) throw new Error(line);
  }
  return {
    async stop() {
      strace.kill("SIGINT");
      // It may wait forever for a thread of a process that was killed.
      const patience = setTimeout(() => strace.kill("SIGKILL"), 2000);
      await exited;
      clearTimeout(patience);
      const calls = parseStrace(readFileSync(log, "utf8"));
      await rm(folder, { recursive: true });
      return calls;
    },
  };
}

/** Reads `strace -f` output, where calls of several threads overlap. */
export function parseStrace(text: string): SystemCall[] {
  const pending = new Map<string, { readonly text: string; readonly began: number }>();
  const calls: SystemCall[] = [];
  for (const [place, line] of text.split("\n").entries()) {
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (unfinished !== null) {
      pending.set(thread, { text: unfinished[1]!, began: place });
    } else if (resumed !== null) {
      const { text = "", began = place } = pending.get(thread) ?? {};
      calls.push({ text: text + resumed[1], began, ended: place });
    } else {
      calls.push({ text: rest, began: place, ended: place });
    }
  }
  return calls.filter(({ text }) => / = \d+(?:<[^>]*>)?$/.test(text));
}

/** Calls of one kind, by the way they read; never none. */
export function callsLike(calls: readonly SystemCall[], pattern: RegExp): readonly SystemCall[] {
  const found = calls.filter(({ text }) => pattern.test(text));
  if (found.length === 0) {
    throw new Error(`No call like ${pattern} in\n${calls.map(({ text }) => text).join("\n")}`);
  }
  return found;
}

/** Whether `first` was over before `second` began, whichever threads they ran on. */
export function happensBefore(first: SystemCall, second: SystemCall): boolean {
  return first.ended < second.began;
}
