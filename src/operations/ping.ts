import { RestbackupError } from "../errors.ts";
import { createDispatcher } from "../stores/dispatcher.ts";
import type { Environment } from "../stores/proxy.ts";

/** What a dead man's switch is told; it raises the alarm after a failure, or when nothing comes. */
type PingKind = "start" | "success" | "fail";

const TIMEOUT = 10_000;
const TRIES = 3;
/** Services keep the beginning of what they are sent: 10 kB are common. */
const MAX_BODY = 10_000;

export interface Pinger {
  /** Never throws: a check that works must not fail because nobody could be told. */
  ping(kind: PingKind, body?: string): Promise<void>;
}

/**
 * Tells a health-check service how a check goes, by the convention of the common ones (POST to the
 * url for success, to `/start` and `/fail` below it). The url is a secret, and in no message. Throws
 * `usage` for one that is none.
 */
export function createPinger(
  url: string,
  options: { readonly env: Environment; readonly onWarning: (message: string) => void },
): Pinger {
  const parsed = URL.parse(url.trim());
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw new RestbackupError("usage", "The url to ping is not one.", {
      hint: "Give it as the service shows it: https://…",
    });
  }
  return {
    async ping(kind, body = "") {
      const why = await reach(parsed, kind, body, options.env);
      if (why !== undefined) {
        options.onWarning(`The health check could not be told of the ${kind}: ${why}.`);
      }
    },
  };
}

/** Why it could not be reached, or undefined. */
async function reach(
  url: URL,
  kind: PingKind,
  body: string,
  env: Environment,
): Promise<string | undefined> {
  const dispatcher = createDispatcher(url.origin, env);
  const path = url.pathname.replace(/\/+$/, "");
  const suffix = kind === "success" ? "" : `/${kind}`;
  let why: string | undefined;
  try {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      try {
        const answer = await dispatcher.request({
          origin: url.origin,
          path: `${path}${suffix}${url.search}` || "/",
          method: "POST",
          headers: {
            "content-type": "text/plain; charset=utf-8",
            "user-agent": "restbackup",
            ...authorization(url),
          },
          body: Buffer.from(body).subarray(0, MAX_BODY),
          signal: AbortSignal.timeout(TIMEOUT),
        });
        await answer.body.dump();
        if (answer.statusCode < 300) return undefined;
        why = `it answered ${answer.statusCode}`;
        // What was refused in so many words will be refused again.
        if (answer.statusCode < 500 && answer.statusCode !== 429) break;
      } catch (error) {
        why = reasonOf(error);
      }
    }
    return why;
  } finally {
    await dispatcher.destroy();
  }
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** The code alone: messages of connections hold addresses. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") {
    return `no answer came in ${TIMEOUT / 1000} s`;
  }
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : "the connection failed";
}
