/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One line of JSON Lines: keys in the order of their code units, so that equal things are equal bytes. */
export function jsonLine(value: Json): string {
  return `${JSON.stringify(sorted(value))}\n`;
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([key, inner]): [string, Json][] =>
    inner === undefined ? [] : [[key, sorted(inner)]],
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
