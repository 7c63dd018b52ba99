import type { Dispatcher } from "undici";
import { RestbackupError, systemCode } from "../errors.ts";
import { printable } from "../naming.ts";
import { PassingFailure, parseRetryAfter } from "./retry.ts";

export type Answer = Dispatcher.ResponseData;

const MAX_ERROR_BODY = 4096;

/** A field of an answer as one string. */
export function field(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** A field that counts something; undefined when absent or malformed. */
export function countField(answer: Answer, name: string): number | undefined {
  const value = field(answer, name);
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}

/** `Content-Range: bytes FIRST-LAST/TOTAL` (RFC 9110, 14.4). */
export function contentRange(
  answer: Answer,
): { first: number; last: number; total: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(field(answer, "content-range") ?? "");
  if (match === null) return undefined;
  return { first: Number(match[1]), last: Number(match[2]), total: Number(match[3]) };
}

/** Reads the rest of an answer that does not matter, so that its connection can be used again. */
export async function discard(answer: Answer): Promise<void> {
  await answer.body.dump({ limit: 64 * 1024 }).catch(() => {});
}

/** Takes what must not be printed out of a text. */
export type Scrub = (text: string) => string;

/** Removes a username, password, and their Basic encoding from texts. */
export function scrubber(secrets: readonly string[]): Scrub {
  return (text) => secrets.reduce((scrubbed, secret) => scrubbed.replaceAll(secret, "***"), text);
}

/**
 * What an answer that is no success means: a {@link PassingFailure} for 408, 429 and 5xx, else a
 * final `store-refused` with the server's own words (`backup-api.md`, part 2). Reads the body.
 */
export async function refusal(
  doing: string,
  answer: Answer,
  scrub: Scrub,
): Promise<RestbackupError | PassingFailure> {
  const status = answer.statusCode;
  const words = await wordsOf(answer, scrub);
  const message = `${doing}: the store answered ${status}${words === "" ? "" : ` (${words})`}.`;
  if (status === 408 || status === 429 || status >= 500) {
    return new PassingFailure(
      new RestbackupError("store-unreachable", message, {
        hint: "The store may be overloaded or being repaired. Try again later.",
      }),
      parseRetryAfter(field(answer, "retry-after"), Date.now()),
    );
  }
  const hint = HINTS[status];
  return new RestbackupError("store-refused", message, hint === undefined ? {} : { hint });
}

const HINTS: Readonly<Record<number, string>> = {
  401: "The username or password in the access url is wrong, or the account is gone.",
  403: "The account in the access url may not do this.",
  411: "A proxy on the way may have removed the Content-Length.",
  413: "Use a smaller --volume-size, or make room in the account's quota.",
};

/** The short text an error answer carries, for printing: problem details or a line of text. */
async function wordsOf(answer: Answer, scrub: Scrub): Promise<string> {
  let text = "";
  try {
    for await (const piece of answer.body) {
      text += Buffer.from(piece as Uint8Array).toString("latin1");
      if (text.length > MAX_ERROR_BODY) break;
    }
  } catch {
    // What came of it will do.
  }
  text = Buffer.from(text.slice(0, MAX_ERROR_BODY), "latin1").toString("utf8");
  const type = field(answer, "content-type") ?? "";
  if (/html/i.test(type)) return "";
  if (/json/i.test(type)) text = problemText(text);
  return printable(scrub(text).trim().replaceAll(/\s+/g, " ").replace(/\.$/, ""));
}

/** RFC 9457: `detail` is for this occurrence, `title` for the kind of problem. */
function problemText(json: string): string {
  try {
    const { detail, title } = JSON.parse(json) as { detail?: unknown; title?: unknown };
    return [detail, title].find((text) => typeof text === "string") ?? "";
  } catch {
    return "";
  }
}

/** What a request that got no answer means: passing, unless trying again cannot help. */
export function noAnswer(
  doing: string,
  error: unknown,
  signal: AbortSignal | undefined,
  scrub: Scrub,
): RestbackupError | PassingFailure {
  if (error instanceof RestbackupError || error instanceof PassingFailure) return error;
  if (signal?.aborted === true) return new RestbackupError("aborted", "Stopped.");
  const reason = printable(scrub(reasonOf(error)));
  // Without the cause: it may carry the request, and with it the credentials.
  const unreachable = (hint: string) =>
    new RestbackupError("store-unreachable", `${doing}: ${reason}.`, { hint });
  if (isCertificateError(error)) {
    return unreachable(
      "If the server's certificate is signed by an authority of your own, name that in NODE_EXTRA_CA_CERTS.",
    );
  }
  if (/Proxy .*\b4\d\d\b/.test(reason)) {
    return unreachable("The proxy refused. Check its address and password in HTTPS_PROXY.");
  }
  return new PassingFailure(
    unreachable("Check the host name in the access url and the network connection."),
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return "the connection failed";
  const text = error.message === "" ? (systemCode(error) ?? error.name) : error.message;
  return text.replace(/\.$/, "");
}

function isCertificateError(error: unknown): boolean {
  const code = systemCode(error) ?? "";
  return /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|HOSTNAME_MISMATCH)/.test(
    code,
  );
}
