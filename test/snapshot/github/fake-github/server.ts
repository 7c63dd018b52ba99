import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Description, type Match } from "./description.ts";
import { answerQuery } from "./graphql.ts";
import { type Any, FakeRepository } from "./repository.ts";
import { type Reply, ROUTES } from "./routes.ts";

interface Trouble {
  readonly path: RegExp;
  readonly status: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
  times: number;
}

let description: Description | undefined;

/**
 * GitHub's API over HTTP, as far as snapshots use it. Every REST request and every answer is compared
 * with GitHub's own OpenAPI description; `violations` holds what does not fit.
 */
export class FakeGithub {
  readonly token: string;
  readonly repositories = new Map<string, FakeRepository>();
  readonly violations: string[] = [];
  /** `METHOD /path?query`, in the order they came. */
  readonly requests: string[] = [];
  /** How many requests are left, and when there are more again, in seconds since 1970. */
  limit = { remaining: 1000, reset: 0 };
  /** Requests to the storage of assets that came with credentials. */
  leaks = 0;
  /** Called when something was changed, before that is answered. */
  onChange: (() => void) | undefined;
  url = "";
  readonly #description: Description;
  readonly #troubles: Trouble[] = [];
  #losing: { readonly path: RegExp; times: number } | undefined;
  readonly #server: Server;
  readonly #storage: Server;

  private constructor(token: string) {
    this.token = token;
    description ??= new Description();
    this.#description = description;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.violations.push(String(error));
        response.writeHead(500).end(String(error));
      });
    });
    this.#storage = createServer((request, response) => this.#stored(request, response));
  }

  static async start(token: string): Promise<FakeGithub> {
    const fake = new FakeGithub(token);
    for (const server of [fake.#server, fake.#storage]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    fake.url = addressOf(fake.#server);
    return fake;
  }

  async close(): Promise<void> {
    for (const server of [this.#server, this.#storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  create(name: string): FakeRepository {
    const repository = new FakeRepository(name, this.#description, this.url);
    this.repositories.set(name, repository);
    return repository;
  }

  /** Answers requests whose `METHOD /path` matches with an error, so many times. */
  refuse(path: RegExp, status: number, more: Partial<Trouble> = {}): void {
    this.#troubles.push({ path, status, times: Number.POSITIVE_INFINITY, ...more });
  }

  /** Does what requests ask, but answers every other one of the first so many with an error. */
  loseAnswers(path: RegExp, times: number): void {
    this.#losing = { path, times };
  }

  /** Takes all errors back. */
  relent(): void {
    this.#troubles.length = 0;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const bytes = await readAll(request);
    const name = `${request.method} ${url.pathname}${url.search}`;
    this.requests.push(name);
    const body = /json/.test(request.headers["content-type"] ?? "")
      ? JSON.parse(bytes.toString())
      : undefined;
    if (request.headers.authorization !== `token ${this.token}`) {
      return this.#send(response, { status: 401, body: { message: "Bad credentials" } });
    }
    const trouble = this.#troubles.find((one) => one.times > 0 && one.path.test(name));
    if (trouble !== undefined) {
      trouble.times--;
      const message = trouble.message ?? "Resource not accessible by integration";
      return this.#send(response, { status: trouble.status, body: { message } }, trouble.headers);
    }
    if (this.limit.remaining <= 0) {
      if (Date.now() / 1000 < this.limit.reset) {
        const message = "API rate limit exceeded for installation.";
        return this.#send(response, { status: 403, body: { message } });
      }
      this.limit.remaining = 1000;
    }
    this.limit.remaining--;
    if (url.pathname === "/graphql") return this.#send(response, this.#query(body));
    const match = this.#description.find(request.method!, url.pathname);
    const handler = match && ROUTES[`${request.method} ${match.template}`];
    if (match === undefined || handler === undefined) throw new Error(`no route for ${name}`);
    const wrong = this.#description.checkRequest(match, url.searchParams, body);
    if (wrong !== undefined) throw new Error(`${name}: ${wrong}`);
    const { owner, repo } = match.parameters;
    const repository = this.repositories.get(`${owner}/${repo}`);
    const reply =
      repository === undefined
        ? { status: 404, body: { message: "Not Found" } }
        : handler(repository, { ...match, query: url.searchParams, body, bytes });
    const answer = this.#page(match, url, reply);
    if (request.method !== "GET") this.onChange?.();
    if (this.#losing?.path.test(name) && this.#losing.times > 0 && this.#losing.times-- % 2 === 0) {
      return this.#send(response, { status: 502, body: { message: "Bad Gateway" } });
    }
    this.#send(response, ...answer);
  }

  #query({ query, variables }: Any): Reply {
    try {
      return {
        status: 200,
        body: { data: answerQuery(query, variables, this.repositories.values()) },
      };
    } catch (error) {
      this.violations.push(String(error));
      return { status: 200, body: { data: null, errors: [{ message: String(error) }] } };
    }
  }

  /** The page that was asked for, with links to the others; checked. */
  #page(match: Match, url: URL, reply: Reply): [Reply, Record<string, string>] {
    const list: Any[] | undefined = reply.list === undefined ? reply.body : reply.body[reply.list];
    const headers: Record<string, string> = {};
    let { body } = reply;
    if (Array.isArray(list)) {
      const most = reply.list === "variables" ? 30 : 100;
      const size = Math.min(most, Number(url.searchParams.get("per_page") ?? 30));
      const page = Number(url.searchParams.get("page") ?? 1);
      const items = list.slice((page - 1) * size, page * size);
      body = reply.list === undefined ? items : { ...reply.body, [reply.list]: items };
      if (page * size < list.length) {
        const next = new URL(url);
        next.searchParams.set("page", String(page + 1));
        headers.link = `<${next}>; rel="next", <${next}>; rel="last"`;
      }
    }
    const wrong = this.#description.checkResponse(match, reply.status, body);
    if (wrong !== undefined)
      throw new Error(`answer ${reply.status} of ${match.template}: ${wrong}`);
    if (reply.location !== undefined) headers.location = addressOf(this.#storage) + reply.location;
    return [{ ...reply, body }, headers];
  }

  #send(response: ServerResponse, { status, body }: Reply, headers: object = {}): void {
    response.writeHead(status, {
      "X-RateLimit-Limit": "1000",
      "X-RateLimit-Remaining": String(Math.max(0, this.limit.remaining)),
      "X-RateLimit-Reset": String(this.limit.reset),
      ...(body === undefined ? {} : { "Content-Type": "application/json; charset=utf-8" }),
      ...headers,
    });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  #stored(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization !== undefined) this.leaks++;
    const id = Number(request.url!.slice(1));
    const all = [...this.repositories.values()].flatMap(({ assets }) => [...assets]);
    const content = all.find(([asset]) => asset === id)?.[1];
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": "application/octet-stream" }).end(content);
  }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
