import { readdirSync, readFileSync } from "node:fs";

/** Resident memory of a process in bytes, now or at its greatest so far. Linux. */
export function memoryOf(pid: number, which: "now" | "peak" = "now"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const pattern = which === "now" ? /^VmRSS:\s+(\d+) kB/m : /^VmHWM:\s+(\d+) kB/m;
  return Number(pattern.exec(status)![1]) * 1024;
}

/** How many file descriptors a process has open. Linux. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
