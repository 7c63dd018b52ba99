import { Readable } from "node:stream";
import type { Dispatcher } from "undici";

/** Connections to an origin, by the way through proxies that the machine has. */
export type DispatcherFor = (origin: string) => Dispatcher;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

export interface Question {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Readable | undefined;
  readonly signal?: AbortSignal | undefined;
}

const REDIRECTS = 5;

/**
 * Sends a request, and follows where a GET is sent on to. Credentials never leave the origin they
 * were meant for: the storage of release assets is another one, and has its own in the address.
 */
export async function ask(
  dispatcherFor: DispatcherFor,
  address: string,
  question: Question,
): Promise<Answer> {
  let url = new URL(address);
  let headers = { ...question.headers };
  for (let redirects = 0; ; redirects++) {
    const { statusCode, ...response } = await dispatcherFor(url.origin).request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: question.method as Dispatcher.HttpMethod,
      headers,
      body: question.body ?? null,
      signal: question.signal ?? null,
    });
    const answer: Answer = {
      status: statusCode,
      headers: flat(response.headers),
      body: response.body,
    };
    const location = redirectOf(answer, question.method);
    if (location === undefined || redirects === REDIRECTS) return answer;
    await response.body.dump();
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = withoutCredentials(headers);
    url = next;
  }
}

/** What Octokit calls to send requests, in place of the global `fetch`, which knows no proxies. */
export function fetchThrough(dispatcherFor: DispatcherFor) {
  return async (address: string, question: Question): Promise<Response> => {
    const { status, headers, body } = await ask(dispatcherFor, address, question);
    const empty = status === 204 || status === 205 || status === 304;
    if (empty) body.resume();
    return new Response(empty ? null : (Readable.toWeb(body) as ReadableStream), {
      status,
      headers,
    });
  };
}

function redirectOf({ status, headers }: Answer, method: string): string | undefined {
  if (method !== "GET" || ![301, 302, 303, 307, 308].includes(status)) return undefined;
  return headers.location;
}

function withoutCredentials(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"),
  );
}

function flat(headers: Dispatcher.ResponseData["headers"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
