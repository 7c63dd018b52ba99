import { setTimeout as delay } from "node:timers/promises";
import { RestbackupError } from "../../errors.ts";
import type { RepositoryAddress } from "../address.ts";
import type { Github } from "../github/client.ts";
import { GithubFailure } from "../github/failure.ts";
import type { JsonObject } from "../github/json.ts";

const TRIES = 4;

/** The repository that is filled. */
export class Target {
  readonly github: Github;
  readonly address: RepositoryAddress;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds between changes: GitHub asks for a second ("Best practices", REST API). */
  readonly #pace: number;
  #next = 0;

  constructor(
    github: Github,
    address: RepositoryAddress,
    pace: number,
    signal: AbortSignal | undefined,
  ) {
    this.github = github;
    this.address = address;
    this.signal = signal;
    this.#pace = pace;
  }

  get name(): string {
    return `${this.address.owner}/${this.address.repo}`;
  }

  get(path: string): Promise<JsonObject> {
    const route = `/repos/{owner}/{repo}${path}`;
    return this.github.get(route, { ...this.address }) as Promise<JsonObject>;
  }

  items(path: string, parameters: JsonObject = {}): AsyncGenerator<JsonObject> {
    return this.github.items(`/repos/{owner}/{repo}${path}`, { ...this.address, ...parameters });
  }

  async change(
    method: "POST" | "PATCH" | "PUT" | "DELETE",
    path: string,
    fields: JsonObject = {},
  ): Promise<JsonObject> {
    await this.pause();
    return await this.github.change(method, `/repos/{owner}/{repo}${path}`, {
      ...this.address,
      ...fields,
    });
  }

  /** Throws when what was made got another number than it should have: somebody else is at work. */
  expect(made: JsonObject, number: number, what: string): void {
    if (made.number === number) return;
    throw new RestbackupError(
      "name-taken",
      `The ${what} that should have become number ${number} of ${this.name} became ${made.number}.`,
      {
        hint: "Something else adds to the repository. Begin again with a new one, and leave it alone.",
      },
    );
  }

  async pause(): Promise<void> {
    const wait = this.#next - Date.now();
    const { signal } = this;
    if (wait > 0) await delay(wait, undefined, signal === undefined ? {} : { signal });
    this.#next = Date.now() + this.#pace;
  }

  /**
   * Does a part of the work that looks at what is there before it adds to it. After a failure that
   * leaves open whether something was done, it looks again.
   */
  async persist<T>(part: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await part();
      } catch (error) {
        if (!(error instanceof GithubFailure)) throw error;
        const unclear = error.status === 0 || error.status >= 500;
        if (unclear && attempt < TRIES) continue;
        throw new RestbackupError(error.code, error.message, {
          cause: error,
          hint: "Run the same command again: it goes on where it stopped.",
        });
      }
    }
  }
}
