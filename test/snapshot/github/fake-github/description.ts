import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check, type Schema } from "./schema.ts";

type Plain = Record<string, unknown>;

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema?: Schema }> };
  readonly responses: Record<string, { $ref?: string; content?: Record<string, Media> }>;
}

interface Media {
  readonly schema?: Schema;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Route {
  readonly template: string;
  readonly pattern: RegExp;
  readonly operations: Record<string, Operation>;
}

/** A request, found in the description. */
export interface Match {
  readonly template: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly operation: Operation;
}

/** GitHub's own OpenAPI description of its REST API. */
export class Description {
  readonly #document: Plain;
  readonly #routes: readonly Route[];

  constructor() {
    const url = import.meta.resolve("@octokit/openapi/package.json");
    const file = new URL("generated/api.github.com.json", url);
    this.#document = JSON.parse(readFileSync(fileURLToPath(file), "utf8"));
    this.#routes = Object.entries(this.#document.paths as Record<string, Route["operations"]>)
      .filter(([template]) => template.startsWith("/repos/{owner}/{repo}"))
      .map(([template, operations]) => ({ template, operations, pattern: patternOf(template) }))
      // A path that is spelled out wins over one with a parameter (OpenAPI, "Path Templating").
      .sort((a, b) => a.template.split("{").length - b.template.split("{").length);
  }

  find(method: string, path: string): Match | undefined {
    for (const { template, pattern, operations } of this.#routes) {
      const parameters = pattern.exec(path)?.groups;
      const operation = operations[method.toLowerCase()];
      if (parameters === undefined || operation === undefined) continue;
      const decoded = Object.entries(parameters).map(([name, text]) => [
        name,
        decodeURIComponent(text),
      ]);
      return { template, operation, parameters: Object.fromEntries(decoded) };
    }
    return undefined;
  }

  /** What is wrong with a request, in words. */
  checkRequest({ operation }: Match, query: URLSearchParams, body: unknown): string | undefined {
    const known = (operation.parameters ?? [])
      .map((one) => (one.$ref === undefined ? one : this.#resolve<Parameter>(one.$ref)))
      .filter((one) => one.in === "query");
    for (const [name, text] of query) {
      const parameter = known.find((one) => one.name === name);
      if (parameter === undefined) return `there is no parameter ${name}`;
      const value = parsed(text, parameter.schema);
      const problem = this.#check(value, parameter.schema, name);
      if (problem !== undefined) return problem;
    }
    const absent = known.find(({ name, required }) => required === true && !query.has(name));
    if (absent !== undefined) return `the parameter ${absent.name} is missing`;
    const schema = operation.requestBody?.content["application/json"]?.schema;
    if (body === undefined || schema === undefined) return undefined;
    const problem = this.#check(body, schema, "the body");
    if (problem !== undefined) return problem;
    const names = Object.keys((schema.properties ?? {}) as Plain);
    const stranger = Object.keys(body as Plain).find((name) => !names.includes(name));
    return stranger === undefined ? undefined : `the body may not have ${stranger}`;
  }

  /** What is wrong with a response, in words. */
  checkResponse({ operation }: Match, status: number, body: unknown): string | undefined {
    const given = operation.responses[String(status)];
    // Descriptions of single routes leave out what every route may answer.
    if (given === undefined) {
      if (status < 400) return `${status} is not an answer of this route`;
      return this.#check(body, { $ref: "#/components/schemas/basic-error" }, "the error");
    }
    const response = given.$ref === undefined ? given : this.#resolve<typeof given>(given.$ref);
    const schema = response.content?.["application/json"]?.schema;
    if (schema !== undefined) return this.#check(body, schema, "the answer");
    return body === undefined || status >= 400 ? undefined : `${status} has no body`;
  }

  /** An example of the description, to be changed at will. */
  example(name: string): Plain {
    const { value } = this.#resolve<{ value: Plain }>(`#/components/examples/${name}`);
    return structuredClone(Array.isArray(value) ? value[0] : value);
  }

  #check(value: unknown, schema: Schema, at: string): string | undefined {
    return check(value, schema, (ref) => this.#resolve<Schema>(ref), at);
  }

  #resolve<T>(ref: string): T {
    let found: unknown = this.#document;
    for (const part of ref.replace("#/", "").split("/")) {
      found = (found as Plain)[part];
    }
    if (found === undefined) throw new Error(`the description has no ${ref}`);
    return found as T;
  }
}

function patternOf(template: string): RegExp {
  const source = template
    .replaceAll(/[.$]/g, "\\$&")
    .replaceAll(/\{(\w+)\}/g, (_whole, name: string) => `(?<${name}>[^/]+)`);
  return new RegExp(`^${source}$`);
}

function parsed(text: string, { type }: Schema): unknown {
  if (type === "integer") return Number(text);
  return type === "boolean" ? text === "true" : text;
}
