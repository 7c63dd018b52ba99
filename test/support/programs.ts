import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Whether a program of this name is on the PATH. */
function hasProgram(name: string): boolean {
  const endings = process.platform === "win32" ? [".exe", ".cmd", ".bat"] : [""];
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.some((folder) =>
    endings.some((ending) => isExecutable(join(folder, name + ending))),
  );
}

/**
 * Whether a promise that needs this program can be tested here. Says so when it cannot; in CI,
 * where nobody would read that, it throws instead.
 *
 * @param promise what goes untested without the program, as a clause: "age opens our files".
 */
export function requireProgram(name: string, promise: string): boolean {
  if (hasProgram(name)) return true;
  if (process.env.CI)
    throw new Error(`${name} is missing, and without it nothing shows that ${promise}`);
  console.warn(`Skipped, as ${name} is not installed: ${promise}.`);
  return false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
