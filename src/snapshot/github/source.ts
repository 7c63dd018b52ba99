import type { RepositoryAddress } from "../address.ts";
import type { Github } from "./client.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Shelf } from "./shelf.ts";
import { tidy } from "./tidy.ts";

/** A repository whose metadata is read, and where it is written. */
export interface Source {
  readonly github: Github;
  readonly address: RepositoryAddress;
  readonly apiUrl: string;
  readonly shelf: Shelf;
  /** The repository's own settings, as GitHub told them; empty when it did not. */
  readonly settings: JsonObject;
  /** Node ids of what has reactions, and what it is, as told along the way. */
  readonly reacted: Map<string, JsonObject>;
  /** Numbers of pull requests by node id, as told along the way. */
  readonly pulls: Map<string, number>;
  /** Notes that something could not be read, and goes on. */
  readonly miss: (part: string, reason: string) => void;
}

/** A list below the repository's own path, tidied, page by page. */
export async function* listOf(
  { github, address, apiUrl }: Source,
  path: string,
  parameters: Readonly<Record<string, unknown>> = {},
  key?: string,
): AsyncGenerator<readonly JsonObject[]> {
  const all = { ...address, ...parameters };
  for await (const page of github.pages(`/repos/{owner}/{repo}${path}`, all, key)) {
    yield page.map((one) => tidy(one, apiUrl) as JsonObject);
  }
}

export async function allOf(pages: AsyncIterable<readonly JsonObject[]>): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}

export async function oneOf(
  { github, address, apiUrl }: Source,
  path: string,
  parameters: Readonly<Record<string, unknown>> = {},
): Promise<JsonObject> {
  const found = await github.get(`/repos/{owner}/{repo}${path}`, { ...address, ...parameters });
  return tidy(found as Json, apiUrl) as JsonObject;
}
