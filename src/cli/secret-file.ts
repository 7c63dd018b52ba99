import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ioError, RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import { syncFolder, writeDurably } from "../stores/durable.ts";
import type { Output } from "./output.ts";

/** More than any key or list of signers: a wrong file is noticed before it is read. */
const MAX_BYTES = 2 ** 20;

/**
 * Reads a file a person named. Throws `usage` when it cannot be read, in words that say which
 * option it belongs to and nothing of its content.
 */
export async function readNamedFile(path: string, what: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw new Error("it is a folder");
    if (stats.size > MAX_BYTES) throw new Error("it is far too big to be one");
    return await readFile(path, "utf8");
  } catch (error) {
    throw new RestbackupError(
      "usage",
      `The ${what} ${printable(path)} cannot be read: ${reason(error)}.`,
      {
        cause: error,
      },
    );
  }
}

/** The same for a file that nobody else should be able to read; warns when others can. */
export async function readSecretFile(path: string, what: string, output: Output): Promise<string> {
  const text = await readNamedFile(path, what);
  // Windows keeps such rights elsewhere; a pipe (`<(…)`) has none that matter.
  const stats = await stat(path);
  if (process.platform !== "win32" && stats.isFile() && (stats.mode & 0o077) !== 0) {
    output.warn(
      `others can read the ${what} ${printable(path)}; to stop that: chmod 600 ${printable(path)}`,
    );
  }
  return text;
}

/**
 * Writes a new file for its owner alone (0600), durably, whole or not at all. Throws
 * `target-exists` for a path that is taken, whatever it holds.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const target = resolve(path);
  const temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await makeFolder(dirname(target));
    try {
      await writeDurably(temporary, text);
      await link(temporary, target).catch(async (error: unknown) => {
        // File systems of USB sticks know no links.
        const code = systemCode(error);
        if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code ?? "")) throw error;
        await writeDurably(target, text);
      });
    } finally {
      await rm(temporary, { force: true });
    }
    await syncFolder(dirname(target));
  } catch (error) {
    if (systemCode(error) === "EEXIST") {
      throw new RestbackupError("target-exists", `${printable(path)} exists already.`, {
        hint: "A key is never overwritten, for backups may depend on it. Name another file.",
      });
    }
    throw ioError(`Cannot write ${printable(path)}`, error);
  }
}

/** Throws `ENOTDIR` where a file is in the way: `EEXIST`, as Node has it, is for the file itself. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== "EEXIST") throw error;
    throw Object.assign(new Error(`${printable(folder)} is no folder`), { code: "ENOTDIR" });
  });
}

function reason(error: unknown): string {
  switch (systemCode(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such file";
    case "EACCES":
      return "permission denied";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
