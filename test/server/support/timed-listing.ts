import { type IncomingMessage, request } from "node:http";
import type { TestServer } from "../../support/server.ts";

export interface TimedListing {
  readonly entries: number;
  /** Milliseconds from the request to the header, to the first entry, and to the end. */
  readonly header: number;
  readonly firstByte: number;
  readonly whole: number;
}

/** Lists over the wire, with the clock on it. */
export async function timedListing(
  server: Pick<TestServer, "port" | "username" | "password">,
): Promise<TimedListing> {
  const start = performance.now();
  const since = () => performance.now() - start;
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    const { port, username, password } = server;
    request({ host: "127.0.0.1", port, path: "/", agent: false, auth: `${username}:${password}` })
      .on("response", resolve)
      .on("error", reject)
      .end();
  });
  const header = since();
  let firstByte: number | undefined;
  const parts: Buffer[] = [];
  for await (const part of res) {
    firstByte ??= since();
    parts.push(part as Buffer);
  }
  const whole = since();
  const { length } = JSON.parse(Buffer.concat(parts).toString()) as unknown[];
  return { entries: length, header, firstByte: firstByte ?? whole, whole };
}
