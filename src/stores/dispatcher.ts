import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import { RestbackupError } from "../errors.ts";

/** Environment variables, as far as they matter here. */
export type Environment = Readonly<Record<string, string | undefined>>;

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
 * Connections to one origin, through the proxy that `env` names as curl reads it: `HTTPS_PROXY`
 * for https, `HTTP_PROXY` for http, `NO_PROXY` for hosts to reach directly, also in lower case.
 * Throws `usage` for a proxy that is no url.
 */
export function createDispatcher(origin: string, env: Environment): Dispatcher {
  const variable = origin.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = read(env, variable);
  if (proxy === "") return new Agent(OPTIONS);
  try {
    // All three are given, so that undici does not look them up in this process's environment.
    return new EnvHttpProxyAgent({
      ...OPTIONS,
      httpProxy: withScheme(proxy),
      httpsProxy: withScheme(proxy),
      noProxy: read(env, "NO_PROXY"),
    });
  } catch {
    // Without the cause: its message may hold the proxy's password.
    throw new RestbackupError("usage", `The proxy in ${variable} is not a url that can be used.`, {
      hint: "Write it as http://HOST:PORT.",
    });
  }
}

function read(env: Environment, variable: string): string {
  return (env[variable.toLowerCase()] || env[variable] || "").trim();
}

function withScheme(proxy: string): string {
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}
