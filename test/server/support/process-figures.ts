import { readdirSync, readFileSync, readlinkSync } from "node:fs";

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

/** What the file descriptors of a process lead to, so far as they are files. Linux. */
export function openFilesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((descriptor) => {
    try {
      const target = readlinkSync(`${folder}/${descriptor}`);
      return target.startsWith("/") ? [target] : [];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}
