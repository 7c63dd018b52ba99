import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { Octokit } from "@octokit/core";
import { retry } from "@octokit/plugin-retry";
import { throttling } from "@octokit/plugin-throttling";
import { RestbackupError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { GithubFailure } from "./failure.ts";
import { type Answer, ask, type DispatcherFor, fetchThrough } from "./http.ts";
import type { Json, JsonObject } from "./json.ts";

export interface GithubOptions {
  /** `https://api.github.com`, without a slash at the end. */
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  /** A secret. */
  readonly token: string;
  readonly dispatcherFor: DispatcherFor;
  /** Seconds to wait for rate limits in all, at most. */
  readonly maxWait: number;
  /** Told when it waits, for a person. */
  readonly onWait?: ((waiting: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What a second lasts, in milliseconds, when waiting; for tests. */
  readonly second?: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

// Of @actions/github this is the part that is needed: the rest reads the process's environment and
// brings an HTTP client of 400 kB.
const Client = Octokit.plugin(retry, throttling);

/** The version of the API that is spoken; what it gives does not change (GitHub, "API Versions"). */
const HEADERS = {
  accept: "application/vnd.github+json",
  "x-github-api-version": "2022-11-28",
};

/** In place of the plugin's pauses, which are the same for all clients of a process and cannot be stopped. */
const AT_ONCE = {
  key: () => ({
    schedule: <T>(_job: unknown, work: (...args: unknown[]) => T, ...args: unknown[]): T =>
      work(...args),
  }),
};

/**
 * GitHub's API, one request after the other. What fails for a moment is tried again; limits are
 * waited for as long as `maxWait` has room. Throws {@link GithubFailure}, and the signal's reason.
 */
export class Github {
  readonly #octokit: InstanceType<typeof Client>;
  readonly #options: GithubOptions;
  #left: number;
  /** What the limit that was met asks to wait, in seconds. */
  #limit: number | undefined;
  #exhausted = false;
  #requests = 0;

  constructor(options: GithubOptions) {
    const second = options.second ?? 1000;
    this.#options = options;
    this.#left = options.maxWait;
    // The plugin tells the limits apart; waiting is ours, because it can then be stopped.
    const met = (seconds: number): void => {
      this.#limit = seconds;
    };
    const throttle = {
      onRateLimit: met,
      onSecondaryRateLimit: met,
      ...({ write: AT_ONCE, notifications: AT_ONCE, global: AT_ONCE } as object),
    };
    const send = fetchThrough(options.dispatcherFor);
    this.#octokit = new Client({
      auth: options.token,
      baseUrl: options.apiUrl,
      userAgent: `restbackup/${VERSION}`,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      request: {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        fetch: (...args: Parameters<typeof send>) => {
          this.#requests++;
          return send(...args);
        },
      },
      throttle,
      retry: {
        doNotRetry: [400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 451],
        retryAfterBaseValue: second,
      },
    });
  }

  /** How many requests were sent, tries included. */
  get requests(): number {
    return this.#requests;
  }

  /** One document. */
  async get(path: string, parameters: Fields = {}): Promise<Json> {
    return (await this.#send(`GET ${path}`, parameters)).data as Json;
  }

  /**
   * The items of a list, page by page, as the Link header leads (GitHub, "Using pagination").
   *
   * @param key where the list is in the answer, when that is an object.
   */
  async *pages(
    path: string,
    parameters: Fields = {},
    key?: string,
  ): AsyncGenerator<readonly JsonObject[]> {
    let answer = await this.#send(`GET ${path}`, { per_page: 100, ...parameters });
    for (;;) {
      const list = key === undefined ? answer.data : answer.data?.[key];
      if (!Array.isArray(list)) throw new GithubFailure(200, "the answer is not a list");
      yield list;
      const next = nextPage(answer.headers.link);
      if (next === undefined) return;
      // The token is for this server alone.
      if (new URL(next).origin !== new URL(this.#options.apiUrl).origin) {
        throw new GithubFailure(200, "the next page is on another server");
      }
      answer = await this.#send(`GET ${next}`, {});
    }
  }

  async *items(path: string, parameters: Fields = {}, key?: string) {
    for await (const page of this.pages(path, parameters, key)) yield* page;
  }

  /** What a GraphQL query gives. Errors in the answer are thrown, be there data or not. */
  async graphql(query: string, variables: Fields): Promise<JsonObject> {
    const baseUrl = this.#options.graphqlUrl.replace(/\/graphql$/, "");
    const { data } = await this.#send("POST /graphql", { baseUrl, query, variables });
    const [error] = data?.errors ?? [];
    if (error !== undefined) {
      const status = error.type === "NOT_FOUND" ? 404 : error.type === "FORBIDDEN" ? 403 : 200;
      throw new GithubFailure(status, String(error.message));
    }
    return data.data as JsonObject;
  }

  /** Changes something. Not sent again when it is unknown whether it was done. */
  async change(
    method: "POST" | "PATCH" | "PUT" | "DELETE",
    path: string,
    parameters: Fields,
  ): Promise<JsonObject> {
    const repeatable = method !== "POST";
    return (
      await this.#send(`${method} ${path}`, {
        ...parameters,
        ...(repeatable ? {} : { request: { retries: 0 } }),
      })
    ).data as JsonObject;
  }

  /** The bytes behind an address of the API, wherever they are stored. */
  async download(path: string): Promise<Answer> {
    const url = path.startsWith("/") ? `${this.#options.apiUrl}${path}` : path;
    return await this.#transfer(url, "GET", { accept: "application/octet-stream" });
  }

  /** Sends bytes to an address for uploads that the API gave. */
  async upload(url: string, body: Readable, bytes: number, type: string): Promise<void> {
    if (!this.#isOurs(new URL(url))) {
      throw new GithubFailure(200, "the address for uploads is on another server");
    }
    const headers = { "content-type": type, "content-length": String(bytes) };
    const answer = await this.#transfer(url, "POST", headers, body);
    answer.body.resume();
  }

  async #transfer(
    url: string,
    method: string,
    headers: Record<string, string>,
    body?: Readable,
  ): Promise<Answer> {
    const { token, signal, dispatcherFor } = this.#options;
    this.#requests++;
    try {
      const answer = await ask(dispatcherFor, url, {
        method,
        headers: {
          ...HEADERS,
          "user-agent": `restbackup/${VERSION}`,
          authorization: `token ${token}`,
          ...headers,
        },
        body,
        signal,
      });
      if (answer.status < 300) return answer;
      answer.body.resume();
      throw new GithubFailure(answer.status, "the server refuses");
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RestbackupError ? error : this.#failure(error);
    }
  }

  /** GitHub keeps uploads at a host of their own; an Enterprise Server does not. */
  #isOurs({ origin }: URL): boolean {
    const api = new URL(this.#options.apiUrl);
    const uploads = `${api.protocol}//${api.host.replace(/^api\./, "uploads.")}`;
    return origin === api.origin || origin === uploads;
  }

  async #send(route: string, parameters: Fields) {
    const { signal, onWait, second = 1000 } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      if (this.#exhausted) throw this.#tooLong();
      this.#limit = undefined;
      try {
        return await this.#octokit.request(route, { headers: HEADERS, ...parameters });
      } catch (error) {
        signal?.throwIfAborted();
        if (this.#limit === undefined) throw this.#failure(error);
        const seconds = Math.max(1, this.#limit);
        if (seconds > this.#left) {
          this.#exhausted = true;
          throw this.#tooLong();
        }
        this.#left -= seconds;
        onWait?.(`GitHub's rate limit is used up: waiting ${seconds} s`);
        await delay(seconds * second, undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  #tooLong(): GithubFailure {
    return new GithubFailure(
      429,
      "the rate limit is used up, and waiting for it would take longer than was allowed",
    );
  }

  #failure(error: unknown): GithubFailure {
    const { status = 500, response } = error as { status?: number; response?: unknown };
    const text = error instanceof Error ? error.message : String(error);
    const words = text.replaceAll(this.#options.token, "***").replace(/ - https?:\S+$/, "");
    return new GithubFailure(response === undefined ? 0 : status, words);
  }
}

/** RFC 8288, the link of relation `next`. */
function nextPage(link: string | undefined): string | undefined {
  return /<([^<>]+)>\s*;\s*rel="next"/.exec(link ?? "")?.[1];
}
