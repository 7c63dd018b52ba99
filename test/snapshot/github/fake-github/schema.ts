/** A schema as OpenAPI 3.0 writes it ("Schema Object"), as far as GitHub's description uses it. */
export type Schema = { readonly [keyword: string]: unknown };

/** Finds what a `$ref` names. */
export type Resolve = (ref: string) => Schema;

const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

const SAYS_NOTHING = new Set([
  ...["title", "description", "example", "examples", "default", "deprecated", "readOnly"],
  ...["nullable", "x-github-breaking-changes", "externalDocs", "writeOnly", "discriminator"],
  ...["x-multi-segment", "uniqueItems", "maxProperties"],
]);

/** What is wrong with a value, in words; nothing when it fits. An unknown keyword is an error. */
export function check(
  value: unknown,
  given: Schema,
  resolve: Resolve,
  at = "it",
): string | undefined {
  const schema = typeof given.$ref === "string" ? resolve(given.$ref) : given;
  if (value === null && schema.nullable === true) return undefined;
  for (const [keyword, rule] of Object.entries(schema)) {
    if (SAYS_NOTHING.has(keyword)) continue;
    const test = KEYWORDS[keyword];
    if (test === undefined) throw new Error(`the description uses ${keyword}, unknown here`);
    const problem = test(value, rule as never, schema, resolve, at);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

type Test = (
  value: unknown,
  rule: never,
  schema: Schema,
  resolve: Resolve,
  at: string,
) => string | undefined;

const KEYWORDS: Record<string, Test> = {
  type: (value, type: string, schema, _resolve, at) => {
    if (isOfType(value, type) || (value === null && nullAllowed(schema))) return undefined;
    return `${at} is ${JSON.stringify(value)?.slice(0, 80)}, not of type ${type}`;
  },
  enum: (value, allowed: unknown[], _schema, _resolve, at) =>
    allowed.includes(value) ? undefined : `${at} is ${JSON.stringify(value)}, not in its enum`,
  required: (value, names: string[], _schema, _resolve, at) => {
    if (!isRecord(value)) return undefined;
    const missing = names.find((name) => value[name] === undefined);
    return missing === undefined ? undefined : `${at} lacks ${missing}`;
  },
  properties: (value, properties: Record<string, Schema>, _schema, resolve, at) => {
    if (!isRecord(value)) return undefined;
    for (const [name, schema] of Object.entries(properties)) {
      if (value[name] === undefined) continue;
      const problem = check(value[name], schema, resolve, `${at}.${name}`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  additionalProperties: (value, rule: boolean | Schema, schema, resolve, at) => {
    if (!isRecord(value) || rule === true) return undefined;
    const known = (schema.properties ?? {}) as Record<string, Schema>;
    for (const [name, inner] of Object.entries(value)) {
      if (name in known) continue;
      if (rule === false) return `${at} may not have ${name}`;
      const problem = check(inner, rule, resolve, `${at}.${name}`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  items: (value, schema: Schema, _schema, resolve, at) => {
    if (!Array.isArray(value)) return undefined;
    for (const [index, item] of value.entries()) {
      const problem = check(item, schema, resolve, `${at}[${index}]`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  allOf: (value, schemas: Schema[], _schema, resolve, at) => {
    for (const schema of schemas) {
      const problem = check(value, schema, resolve, at);
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  anyOf: anyOf as Test,
  // GitHub's alternatives overlap: what fits one of them often fits another too.
  oneOf: anyOf as Test,
  minimum: (value, least: number, _schema, _resolve, at) =>
    typeof value === "number" && value < least ? `${at} is less than ${least}` : undefined,
  maximum: (value, most: number, _schema, _resolve, at) =>
    typeof value === "number" && value > most ? `${at} is more than ${most}` : undefined,
  minLength: (value, least: number, _schema, _resolve, at) =>
    typeof value === "string" && value.length < least ? `${at} is too short` : undefined,
  maxLength: (value, most: number, _schema, _resolve, at) =>
    typeof value === "string" && value.length > most ? `${at} is too long` : undefined,
  minItems: (value, least: number, _schema, _resolve, at) =>
    Array.isArray(value) && value.length < least ? `${at} has too few` : undefined,
  maxItems: (value, most: number, _schema, _resolve, at) =>
    Array.isArray(value) && value.length > most ? `${at} has too many` : undefined,
  pattern: (value, pattern: string, _schema, _resolve, at) =>
    typeof value === "string" && !new RegExp(pattern).test(value)
      ? `${at} does not match ${pattern}`
      : undefined,
  format: (value, format: string, _schema, _resolve, at) =>
    format === "date-time" && typeof value === "string" && !DATE_TIME.test(value)
      ? `${at} is ${value}, no date-time`
      : undefined,
};

function anyOf(
  value: unknown,
  schemas: Schema[],
  _schema: Schema,
  resolve: Resolve,
  at: string,
): string | undefined {
  const problems = schemas.map((schema) => check(value, schema, resolve, at));
  return problems.includes(undefined) ? undefined : problems.join(", and ");
}

function nullAllowed(schema: Schema): boolean {
  return schema.nullable === true || (Array.isArray(schema.enum) && schema.enum.includes(null));
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isRecord(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
