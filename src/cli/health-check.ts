import { RestbackupError } from "../errors.ts";
import type { Context } from "./context.ts";
import { readSecretFile } from "./secret-file.ts";

/**
 * Does a check and tells a health-check service how it goes: that of --ping-url-file, or else
 * RESTBACKUP_PING_URL; nobody where neither is given. Throws what the check throws.
 */
export async function withHealthCheck(
  context: Context,
  file: string | undefined,
  check: () => Promise<void>,
): Promise<void> {
  const { env, output, signal } = context;
  const url =
    file === undefined
      ? env.RESTBACKUP_PING_URL
      : await readSecretFile(file, "ping url file", output);
  if (url === undefined) return check();
  const { createPinger } = await import("../operations/ping.ts");
  const pinger = createPinger(url, { env, onWarning: (message) => output.warn(message) });
  await pinger.ping("start");
  try {
    await check();
  } catch (error) {
    // Ctrl-C found out nothing.
    if (!signal.aborted) await pinger.ping("fail", inWords(error));
    throw error;
  }
  await pinger.ping("success");
}

function inWords(error: unknown): string {
  if (!(error instanceof RestbackupError)) return "It failed unexpectedly.";
  return [error.message, error.hint].filter((line) => line !== undefined).join("\n");
}
