import { connection } from "./connection.ts";
import type { Any, FakeRepository } from "./repository.ts";

interface Field {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly fields: readonly Field[];
}

/** Answers a query with what it asks for, and nothing else. Throws for a field that does not exist. */
export function answerQuery(query: string, variables: Any, repositories: Iterable<FakeRepository>) {
  const all = [...repositories];
  const root = {
    repository: ({ owner, name }: Any) => {
      const found = all.find((one) => one.name === `${owner}/${name}`);
      return found === undefined ? null : repositoryOf(found);
    },
    node: ({ id }: Any) => nodeOf(all, id),
    nodes: ({ ids }: Any) => ids.map((id: string) => nodeOf(all, id)),
  };
  return project(root, new Parser(query, variables).document());
}

function repositoryOf(repository: FakeRepository): Any {
  return { discussions: connection(repository.discussions) };
}

function nodeOf(all: readonly FakeRepository[], id: string): Any {
  for (const { pulls, reactions, reviews, discussions } of all) {
    const pull = pulls.find((one) => one.node_id === id);
    if (pull !== undefined) {
      const list = connection(reviews.get(pull.number) ?? []);
      return {
        id,
        number: pull.number,
        reviews: list,
        reactions: connection(reactions.get(id) ?? []),
      };
    }
    const discussion = discussions.find((one) => one.id === id);
    if (discussion !== undefined) return discussion;
    const comment = discussions.flatMap((one) => one.all).find((one: Any) => one.id === id);
    if (comment !== undefined) return comment;
    if (reactions.has(id)) return { id, reactions: connection(reactions.get(id)!) };
  }
  return null;
}

function project(value: Any, fields: readonly Field[]): Any {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((one) => project(one, fields));
  return Object.fromEntries(
    fields.map(({ name, args, fields: inner }) => {
      if (!(name in value)) throw new Error(`Field '${name}' doesn't exist`);
      const found = typeof value[name] === "function" ? value[name](args) : value[name];
      if (found !== null && typeof found === "object" && inner.length === 0) {
        throw new Error(`Field '${name}' must have selections`);
      }
      return [name, project(found, inner)];
    }),
  );
}

/** As much of the GraphQL specification (2, "Language") as the queries use. */
class Parser {
  readonly #tokens: string[];
  readonly #variables: Any;
  #at = 0;

  constructor(query: string, variables: Any) {
    this.#tokens = query.match(/\.\.\.|[$\w]+|"[^"]*"|[{}()[\]:!,]/g) ?? [];
    this.#variables = variables;
  }

  document(): Field[] {
    this.#expect("query");
    this.#next();
    if (this.#tokens[this.#at] === "(") while (this.#next() !== ")");
    return this.#selection();
  }

  #selection(): Field[] {
    this.#expect("{");
    const fields: Field[] = [];
    while (this.#tokens[this.#at] !== "}") {
      const name = this.#next();
      if (name === "...") {
        this.#expect("on");
        this.#next();
        fields.push(...this.#selection());
        continue;
      }
      const args = this.#tokens[this.#at] === "(" ? this.#arguments() : {};
      const inner = this.#tokens[this.#at] === "{" ? this.#selection() : [];
      fields.push({ name, args, fields: inner });
    }
    this.#next();
    return fields;
  }

  #arguments(): Record<string, unknown> {
    this.#expect("(");
    const args: Record<string, unknown> = {};
    while (this.#tokens[this.#at] !== ")") {
      const name = this.#next();
      if (name === ",") continue;
      this.#expect(":");
      args[name] = this.#value();
    }
    this.#next();
    return args;
  }

  #value(): unknown {
    const token = this.#next();
    if (token.startsWith("$")) {
      if (!(token.slice(1) in this.#variables)) throw new Error(`Variable ${token} has no value`);
      return this.#variables[token.slice(1)];
    }
    if (token !== "{") return /^\d+$/.test(token) ? Number(token) : token;
    const value: Record<string, unknown> = {};
    while (this.#tokens[this.#at] !== "}") {
      const name = this.#next();
      if (name === ",") continue;
      this.#expect(":");
      value[name] = this.#value();
    }
    this.#next();
    return value;
  }

  #next(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error("Unexpected end of the query");
    return token;
  }

  #expect(wanted: string): void {
    const token = this.#next();
    if (token !== wanted) throw new Error(`Expected ${wanted}, not ${token}`);
  }
}
