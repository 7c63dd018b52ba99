import { rm } from "node:fs/promises";
import { createAccount } from "../../../src/server/accounts.ts";
import { type BackupServerOptions, createBackupServer } from "../../../src/server/server.ts";
import type { ServerEvent } from "../../../src/server/server-event.ts";
import { temporaryFolder } from "../../support/server.ts";

export interface OperatedServer {
  readonly url: string;
  readonly port: number;
  readonly metricsUrl: string | undefined;
  readonly username: string;
  readonly password: string;
  readonly dataDir: string;
  /** All that was logged so far. */
  readonly events: readonly ServerEvent[];
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** A server in this process, as its operator sets it up, with one account. */
export async function operate(
  options: Partial<Omit<BackupServerOptions, "dataDir" | "log">> = {},
): Promise<OperatedServer> {
  const dataDir = temporaryFolder("operated");
  const credentials = await createAccount(dataDir, { retentionDays: 30 });
  const events: ServerEvent[] = [];
  const server = createBackupServer({
    listen: "127.0.0.1:0",
    ...options,
    dataDir,
    log: (event) => events.push(event),
  });
  const { url, metricsUrl } = await server.listen();
  return {
    ...credentials,
    url,
    port: Number(new URL(url).port),
    metricsUrl,
    dataDir,
    events,
    reload: () => server.reload(),
    async close() {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The `Authorization` field of an account. */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
