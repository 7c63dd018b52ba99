import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import { RestbackupError } from "../errors.ts";
import { type Environment, proxyFor } from "./proxy.ts";

const CONNECT_TIMEOUT = 15_000;

const OPTIONS = {
  connections: 8,
  pipelining: 1,
  allowH2: false,
  keepAliveTimeout: 20_000,
  connectTimeout: CONNECT_TIMEOUT,
  connect: { timeout: CONNECT_TIMEOUT, keepAlive: true },
} as const;

/**
 * Connections to one origin, through the proxy that {@link proxyFor} finds. Throws `usage` for a
 * proxy that cannot be used.
 */
export function createDispatcher(origin: string, env: Environment): Dispatcher {
  const proxy = proxyFor(origin, env);
  if (proxy === undefined) return new Agent(OPTIONS);
  const { url, noProxy } = proxy;
  try {
    // All three are given, so that undici does not look them up in this process's environment.
    return new EnvHttpProxyAgent({ ...OPTIONS, httpProxy: url, httpsProxy: url, noProxy });
  } catch {
    // Without the cause: its message may hold the proxy's password.
    throw new RestbackupError("usage", `This kind of proxy cannot be used for ${origin}.`, {
      hint: "Write it as http://HOST:PORT.",
    });
  }
}
