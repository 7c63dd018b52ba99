import fs from "node:fs";

/** Whether this system shows what processes run, and as what. */
export const showsProcesses = fs.existsSync("/proc/self/cmdline");

/** The command lines of all processes on this machine. */
function commandLines(): string[] {
  return fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return [fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim()];
    } catch {
      // It has ended.
      return [];
    }
  });
}

/** What any process was called by while `work` went on. Looks every few milliseconds. */
export async function watchProcesses<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly seen: ReadonlySet<string> }> {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const line of commandLines()) seen.add(line);
  }, 3);
  try {
    return { result: await work(), seen };
  } finally {
    clearInterval(timer);
  }
}
