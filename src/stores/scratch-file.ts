import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ioError } from "../errors.ts";

export interface ScratchFile {
  readonly handle: FileHandle;
  /** Closes it, and with that it is gone. Never throws. */
  remove(): Promise<void>;
  /** Says of a failure to write where it was written. */
  watch<T>(writing: Promise<T>): Promise<T>;
}

/**
 * A temporary file for this user alone, open for writing and reading. Where that can be, it has no
 * name, and so ends with the process. Throws `io`.
 */
export async function openScratchFile(label: string): Promise<ScratchFile> {
  const doing = `Cannot write a temporary file in ${tmpdir()}`;
  const hint = "Name another folder with TMPDIR, or make room.";
  const watch = <T>(writing: Promise<T>): Promise<T> =>
    writing.catch((error: unknown) => {
      throw ioError(doing, error, hint);
    });
  const folder = await watch(mkdtemp(join(tmpdir(), `restbackup-${label}-`)));
  const drop = () => rm(folder, { recursive: true, force: true });
  const handle = await watch(open(join(folder, "content"), "wx+", 0o600)).catch(
    async (error: unknown) => {
      await drop();
      throw error;
    },
  );
  if (process.platform !== "win32") await drop();
  const remove = async (): Promise<void> => {
    await handle.close().catch(() => {});
    await drop().catch(() => {});
  };
  return { handle, remove, watch };
}
