import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TestServer } from "../../support/server.ts";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Buffer;
  /** `USER:PASSWORD`, where it is not the account's own. */
  readonly auth?: string;
  readonly signal?: AbortSignal;
}

type Target = Pick<TestServer, "url" | "port" | "username" | "password" | "caFile">;

/**
 * One request on a connection of its own, as old clients send it. Rejects when the connection ends
 * before the answer has come whole.
 */
export async function send(
  server: Target,
  method: string,
  path: string,
  { headers = {}, body, auth, signal }: SendOptions = {},
): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const options = {
      host: "127.0.0.1",
      port: server.port,
      method,
      path,
      agent: false as const,
      auth: auth ?? `${server.username}:${server.password}`,
      headers: { ...(body === undefined ? {} : { "content-length": body.length }), ...headers },
      ...(signal === undefined ? {} : { signal }),
    };
    const req = server.url.startsWith("https:")
      ? httpsRequest({ ...options, ca: readFileSync(server.caFile!) })
      : httpRequest(options);
    req.on("error", reject);
    req.on("response", (res) => {
      const parts: Buffer[] = [];
      res.on("data", (part: Buffer) => parts.push(part));
      res.on("error", reject);
      res.on("end", () => {
        resolve({ status: res.statusCode!, headers: res.headers, body: Buffer.concat(parts) });
      });
    });
    req.end(body);
  });
}

/** A listing's entries as the wire has them, but by name without its slash. */
export async function listed(server: Target): Promise<Map<string, { readonly size: number }>> {
  const { status, body } = await send(server, "GET", "/");
  if (status !== 200) throw new Error(`The listing was answered with ${status}.`);
  const entries = JSON.parse(body.toString()) as { name: string; size: number }[];
  return new Map(entries.map(({ name, size }) => [name.slice(1), { size }]));
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
