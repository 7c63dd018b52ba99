import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ioError, RestbackupError, systemCode } from "../../errors.ts";
import { isObject, type Json, type JsonObject } from "../github/json.ts";
import type { Refs } from "../refs.ts";

const LINE_END = 0x0a;

/** A snapshot as it lies in a folder (docs/snapshots.md). */
export class SnapshotFolder {
  readonly path: string;
  /** OWNER/REPO that it was taken of. */
  readonly repository: string;
  readonly refs: { readonly repository: Refs; readonly wiki?: Refs };

  private constructor(path: string, repository: string, refs: SnapshotFolder["refs"]) {
    this.path = path;
    this.repository = repository;
    this.refs = refs;
  }

  /** Throws `not-found` for a folder without a snapshot, `damaged` for one that is not whole. */
  static async open(path: string): Promise<SnapshotFolder> {
    const snapshot = await readJson(path, "snapshot.json");
    const refs = await readJson(path, "refs.json");
    const { format, repository } = snapshot;
    if (format !== 1 || typeof repository !== "string" || !isObject(refs.repository)) {
      throw damaged(path, "snapshot.json", "it is not of a form that is known here");
    }
    return new SnapshotFolder(path, repository, refs as unknown as SnapshotFolder["refs"]);
  }

  async has(name: string): Promise<boolean> {
    return await stat(join(this.path, name)).then(
      () => true,
      () => false,
    );
  }

  /** The lines of a kind of metadata; none where the snapshot does not have it. */
  async *lines(name: string): AsyncGenerator<JsonObject> {
    for await (const { line } of this.#raw(name)) yield parsed(this.path, name, line);
  }

  /** The lines of a kind, by the number that `key` has in them; read when asked for. */
  async group(name: string, key: string): Promise<LineGroups> {
    const places = new Map<number, Place[]>();
    for await (const { line, start } of this.#raw(name)) {
      const number = Number(parsed(this.path, name, line)[key]);
      const list = places.get(number) ?? [];
      list.push({ start, length: line.length });
      places.set(number, list);
    }
    const handle = places.size === 0 ? undefined : await open(this.#file(name));
    return new LineGroups(places, handle, (line) => parsed(this.path, name, line));
  }

  #file(name: string): string {
    return join(this.path, "metadata", `${name}.jsonl`);
  }

  async *#raw(name: string): AsyncGenerator<{ readonly line: Buffer; readonly start: number }> {
    let rest: Buffer = Buffer.alloc(0);
    let start = 0;
    try {
      for await (const chunk of createReadStream(this.#file(name))) {
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        for (let end = rest.indexOf(LINE_END); end !== -1; end = rest.indexOf(LINE_END)) {
          yield { line: rest.subarray(0, end), start };
          start += end + 1;
          rest = rest.subarray(end + 1);
        }
      }
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
    if (rest.length > 0) throw damaged(this.path, `${name}.jsonl`, "its last line is cut off");
  }
}

interface Place {
  readonly start: number;
  readonly length: number;
}

class LineGroups {
  readonly #places: ReadonlyMap<number, readonly Place[]>;
  readonly #handle: FileHandle | undefined;
  readonly #parse: (line: Buffer) => JsonObject;

  constructor(
    places: ReadonlyMap<number, readonly Place[]>,
    handle: FileHandle | undefined,
    parse: (line: Buffer) => JsonObject,
  ) {
    this.#places = places;
    this.#handle = handle;
    this.#parse = parse;
  }

  async of(number: number): Promise<JsonObject[]> {
    const found: JsonObject[] = [];
    for (const { start, length } of this.#places.get(number) ?? []) {
      const line = Buffer.alloc(length);
      await this.#handle!.read(line, 0, length, start);
      found.push(this.#parse(line));
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

async function readJson(folder: string, name: string): Promise<JsonObject> {
  const text = await readFile(join(folder, name), "utf8").catch((error: unknown) => {
    if (systemCode(error) !== "ENOENT") throw ioError(`Cannot read ${name}`, error);
    throw new RestbackupError("not-found", `There is no snapshot in ${folder}: no ${name}.`, {
      hint: "Give the folder that restbackup snapshot --to wrote, or that a snapshot was restored to.",
    });
  });
  return parsed(folder, name, text);
}

function parsed(folder: string, name: string, text: Buffer | string): JsonObject {
  try {
    const value: Json = JSON.parse(text.toString());
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw damaged(folder, name, "it is not JSON as it was written");
}

function damaged(folder: string, name: string, why: string): RestbackupError {
  return new RestbackupError("damaged", `${name} of the snapshot in ${folder} is damaged: ${why}.`);
}
