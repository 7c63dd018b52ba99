import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RestbackupError, systemCode } from "../errors.ts";
import { ignoreMissing } from "../stores/durable.ts";
import { isAbandoned, temporaryName } from "../stores/temporary-files.ts";

/** How long to wait for others, in milliseconds. */
const PATIENCE = 15_000;
const PAUSE = 20;

/**
 * Runs `work` while this caller alone holds the lock file. Work is short: a few small files. The
 * lock of a process that died is taken over. Throws `io` when others hold it for too long.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const owner = temporaryName("meta");
  await acquire(path, owner);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string, owner: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!(await create(path, owner))) {
    if ((await isLeftOver(path)) && (await breakLock(path))) continue;
    if (performance.now() > deadline) throw busy(path);
    await sleep(PAUSE);
  }
}

/** Makes the lock file, with its owner's name in it from the first moment on. */
async function create(path: string, owner: string): Promise<boolean> {
  const temporary = join(dirname(path), owner);
  try {
    await writeFile(temporary, owner, { flag: "wx", mode: 0o600 });
    await link(temporary, path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function isLeftOver(path: string): Promise<boolean> {
  const owner = await ignoreMissing(readFile(path, "utf8"));
  const stats = await ignoreMissing(stat(path));
  if (owner === undefined || stats === undefined) return false;
  return isAbandoned(owner, stats.mtime, new Date());
}

/**
 * Removes the lock of a dead process. One at a time, and only after another look: a second one to
 * break it would remove the lock of whoever came after the first. False when another is at it.
 */
async function breakLock(path: string): Promise<boolean> {
  const breaking = `${path}.breaking`;
  if (!(await create(breaking, temporaryName("meta")))) return false;
  try {
    if (await isLeftOver(path)) await rm(path, { force: true });
    return true;
  } finally {
    await rm(breaking, { force: true });
  }
}

function busy(path: string): RestbackupError {
  return new RestbackupError("io", "Another command is changing the data folder.", {
    hint: `Try again in a moment. When none is running, remove ${path} and what begins with it.`,
  });
}
