import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names of temporary files say who made them, so that what a killed process left behind can be
 * told from what a living one is writing: `HOST.PID.INSTANCE.NUMBER.KIND`. HOST is a short hash of
 * the host, its boot and its process namespace, since a process id means nothing outside of them.
 */
export function temporaryName(kind: "data" | "meta"): string {
  counter += 1;
  return `${HOST}.${process.pid}.${INSTANCE}.${counter}.${kind}`;
}

/** Whether nobody can still be writing the file: its process is gone, or it is a day old. */
export function isAbandoned(fileName: string, modified: Date, now: Date): boolean {
  const [host, pid, instance] = fileName.split(".");
  if (host === HOST && pid !== undefined && /^\d+$/.test(pid)) {
    if (instance === INSTANCE) return false;
    return Number(pid) === process.pid || !isAlive(Number(pid));
  }
  return now.getTime() - modified.getTime() > DAY_MILLISECONDS;
}

const DAY_MILLISECONDS = 24 * 60 * 60 * 1000;
const HOST = hostTag();
const INSTANCE = randomBytes(4).toString("hex");
let counter = 0;

function hostTag(): string {
  const parts = [hostname()];
  // Linux only. Without them a reused process id can keep litter alive, never remove a live file.
  for (const read of [
    () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
    () => readlinkSync("/proc/self/ns/pid"),
  ]) {
    try {
      parts.push(read());
    } catch {}
  }
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
