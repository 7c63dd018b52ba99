import { rm } from "node:fs/promises";
import { expect } from "vitest";
import { createAccount } from "../../../src/server/accounts.ts";
import { startServerProcess, temporaryFolder } from "../../support/server.ts";
import { listed, send, sha256Of } from "./client.ts";
import { litterIn } from "./litter.ts";
import { seededBytes } from "./seeded.ts";
import { straceProcess } from "./system-calls.ts";

/** The calls that change something on the disk, or put it there for good. */
export const CHANGING_CALLS = [
  ...["mkdir", "openat", "writev", "utimensat", "fsync", "link", "rename", "unlink", "close"],
] as const;

/** How an upload went whose server was killed as it was about to make a certain system call. */
export type Outcome = "not-an-entry" | "entry-without-answer" | "answered";

/**
 * Kills a server before the n-th system call of a kind (from 1) in an upload, starts it again, and checks that the
 * upload is an entry, whole, or is none, and that nothing else is left of it.
 */
export async function killAtCall(
  call: (typeof CHANGING_CALLS)[number],
  n: number,
): Promise<Outcome> {
  const dataDir = temporaryFolder("killed-at-call");
  const account = await createAccount(dataDir, { retentionDays: 30 });
  // With one thread that works on files, their order is the same every time.
  const env = { UV_THREADPOOL_SIZE: "1" };
  const server = await startServerProcess({ dataDir, account, env });
  expect(await listed(server)).toEqual(new Map());
  const body = seededBytes("killed at a call", 150_000);
  const strace = await straceProcess(server.pid, [
    ...["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${n}`],
  ]);
  const answer = await send(server, "PUT", "/folder/entry", { body }).catch(() => undefined);
  await server.kill();
  await strace.stop();
  if (answer !== undefined) expect(answer.status).toBe(201);

  const again = await startServerProcess({ dataDir, account });
  expect(litterIn(dataDir)).toEqual([]);
  const isEntry = (await listed(again)).has("folder/entry");
  if (answer !== undefined) expect(isEntry).toBe(true);
  const second = await send(again, "PUT", "/folder/entry", { body });
  expect(second.status).toBe(isEntry ? 405 : 201);
  const stored = await send(again, "GET", "/folder/entry");
  expect(sha256Of(stored.body)).toBe(sha256Of(body));
  expect(stored.headers.etag).toBe(`"${sha256Of(body)}"`);
  await again.close();
  await rm(dataDir, { recursive: true });
  if (answer !== undefined) return "answered";
  return isEntry ? "entry-without-answer" : "not-an-entry";
}
