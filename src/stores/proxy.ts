import { RestbackupError } from "../errors.ts";

/** Environment variables, as far as they matter here. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Proxy {
  /** With scheme; may hold a password. */
  readonly url: string;
  /** Hosts to reach directly, as `NO_PROXY` lists them. */
  readonly noProxy: string;
}

/**
 * The proxy for an origin as curl reads it from the environment: `HTTPS_PROXY` for https,
 * `HTTP_PROXY` for http, also in lower case, which win. Throws `usage` for one that is no url.
 */
export function proxyFor(origin: string, env: Environment): Proxy | undefined {
  const variable = origin.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = read(env, variable);
  if (proxy === "") return undefined;
  const url = proxy.includes("://") ? proxy : `http://${proxy}`;
  if (!URL.canParse(url)) {
    // Without its text, which may hold the proxy's password.
    throw new RestbackupError("usage", `The proxy in ${variable} is not a url that can be used.`, {
      hint: "Write it as http://HOST:PORT.",
    });
  }
  return { url, noProxy: read(env, "NO_PROXY") };
}

function read(env: Environment, variable: string): string {
  return (env[variable.toLowerCase()] || env[variable] || "").trim();
}
