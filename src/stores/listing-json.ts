import { RestbackupError } from "../errors.ts";
import { checkObjectName } from "./object-name.ts";
import type { StoredEntry } from "./store.ts";

/** No entry is this long: names have 1024 bytes, at most six times that when escaped. */
const MAX_ENTRY_BYTES = 64 * 1024;

const BYTE = {
  quote: 0x22,
  comma: 0x2c,
  arrayStart: 0x5b,
  backslash: 0x5c,
  arrayEnd: 0x5d,
  objectStart: 0x7b,
  objectEnd: 0x7d,
} as const;

/**
 * Reads a listing (`backup-api.md`, part 1: a JSON array of flat or nested objects) as it arrives,
 * holding one entry at a time. Fields we do not know are passed over, and so are entries whose
 * names could not be asked for. Throws `store-refused` when it is no listing or ends early.
 */
export async function* parseListing(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<StoredEntry, void, undefined> {
  const splitter = new ArraySplitter();
  for await (const piece of stream) {
    for (const text of splitter.push(piece)) {
      const entry = parseEntry(text);
      if (entry !== undefined) yield entry;
    }
  }
  splitter.end();
}

/** Cuts a JSON array of objects into the objects' texts. */
class ArraySplitter {
  #expecting: "start" | "first" | "object" | "inside" | "after" | "nothing" = "start";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  push(piece: Uint8Array): string[] {
    const texts: string[] = [];
    let start = 0;
    for (let index = 0; index < piece.length; index += 1) {
      const byte = piece[index]!;
      if (this.#expecting !== "inside") {
        if (this.#between(byte)) start = index;
      } else if (this.#closes(byte)) {
        this.#keep(piece.subarray(start, index + 1));
        texts.push(Buffer.concat(this.#parts).toString("utf8"));
        this.#parts = [];
        this.#partBytes = 0;
        this.#expecting = "after";
      }
    }
    // The piece's memory may be used again by the caller's stream: what outlives it is copied.
    if (this.#expecting === "inside") this.#keep(Uint8Array.from(piece.subarray(start)));
    return texts;
  }

  end(): void {
    if (this.#expecting !== "nothing") throw noListing("it ends early");
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
    if (this.#partBytes > MAX_ENTRY_BYTES) throw noListing("an entry is too long");
  }

  /** A byte outside of any object; true when an object begins with it. */
  #between(byte: number): boolean {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return false;
    const expecting = this.#expecting;
    if (expecting === "start" && byte === BYTE.arrayStart) this.#expecting = "first";
    else if (expecting === "after" && byte === BYTE.comma) this.#expecting = "object";
    else if ((expecting === "first" || expecting === "after") && byte === BYTE.arrayEnd) {
      this.#expecting = "nothing";
    } else if ((expecting === "first" || expecting === "object") && byte === BYTE.objectStart) {
      this.#expecting = "inside";
      this.#depth = 1;
      return true;
    } else throw noListing("it is not a JSON array of objects");
    return false;
  }

  /** A byte inside of an object; true when the object ends with it. */
  #closes(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BYTE.backslash) this.#escaped = true;
      else if (byte === BYTE.quote) this.#inString = false;
      return false;
    }
    if (byte === BYTE.quote) this.#inString = true;
    else if (byte === BYTE.objectStart || byte === BYTE.arrayStart) this.#depth += 1;
    else if (byte === BYTE.objectEnd || byte === BYTE.arrayEnd) this.#depth -= 1;
    return this.#depth === 0;
  }
}

function parseEntry(text: string): StoredEntry | undefined {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw noListing("an entry is not JSON");
  }
  const { name, size, createtime, deletetime } = fields;
  if (typeof name !== "string") throw noListing("an entry has no name");
  if (!isCount(size)) throw noListing("an entry has no size");
  if (!isCount(createtime)) throw noListing("an entry has no createtime");
  if (deletetime !== undefined && deletetime !== null && !isCount(deletetime)) {
    throw noListing("an entry's deletetime is not a time");
  }
  const bare = name.replace(/^\//, "");
  try {
    checkObjectName(bare);
  } catch {
    return undefined;
  }
  return { name: bare, size, createtime, ...(isCount(deletetime) ? { deletetime } : {}) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function noListing(why: string): RestbackupError {
  return new RestbackupError("store-refused", `The store's listing cannot be read: ${why}.`);
}
