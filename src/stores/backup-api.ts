import type { Dispatcher } from "undici";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import { VERSION } from "../version.ts";
import { parseAccessUrl } from "./access-url.ts";
import {
  type Answer,
  contentRange,
  countField,
  discard,
  field,
  noAnswer,
  refusal,
  type Scrub,
  scrubber,
} from "./backup-api-answers.ts";
import { filePieces } from "./file-pieces.ts";
import { inBlocks } from "./in-blocks.ts";
import { parseListing } from "./listing-json.ts";
import { checkObjectName, encodeObjectPath } from "./object-name.ts";
import { type Environment, proxyFor } from "./proxy.ts";
import { formatReprDigest, parseReprDigest } from "./repr-digest.ts";
import { DEFAULT_RETRY, PassingFailure, Patience, type RetryPolicy, withRetries } from "./retry.ts";
import { sha256Of } from "./sha256.ts";
import type { PutSource, Store, StoredEntry, StoredObject, TransferOptions } from "./store.ts";
import { WholeObjects } from "./whole-objects.ts";

/** Milliseconds without progress after which a request is given up. */
export interface Timeouts {
  /** Until the answer begins. */
  readonly answer: number;
  /** Until an upload is answered: the server puts it on stable storage first. */
  readonly stored: number;
  /** Between two pieces of an answer. */
  readonly idle: number;
}

const DEFAULT_TIMEOUTS: Timeouts = { answer: 120_000, stored: 300_000, idle: 60_000 };

export interface BackupApiOptions {
  readonly env?: Environment;
  readonly retry?: RetryPolicy;
  readonly timeouts?: Timeouts;
  /** Told once, in a sentence, when the server sends no parts of objects and they are read whole. */
  readonly onWhole?: (notice: string) => void;
}

interface RequestOptions {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/** A url that shows and downloads an account's backups without credentials: a secret. */
export interface Session {
  readonly url: string;
  /** When it stops working, by this machine's clock. */
  readonly expires: Date;
}

/** How long a session works in milliseconds (`backup-api.md`, part 1). */
const SESSION_LIFE = 24 * 60 * 60 * 1000;

/** Bytes `start` (inclusive) to `end` (exclusive) of an object. */
interface Part {
  readonly start?: number;
  readonly end?: number;
}

/** Where a download is. */
interface Download {
  position: number;
  /** Exclusive; undefined until it is known. */
  end: number | undefined;
  /** Of the whole object. */
  total: number | undefined;
  /** A strong entity tag or a date, to resume only what is still the same (RFC 9110, 13.1.5). */
  validator: string | undefined;
  /** What was asked for begins here. */
  readonly start: number;
}

/** The server answered with the whole where a part was asked for. */
class NoRanges extends Error {}

/**
 * A Backup API server (`backup-api.md`) as a store. The access url is read exactly, and never
 * printed. Failures of connections, 408, 429 and 5xx are retried with growing delays; a put whose
 * answer was lost, and every put that was answered, is settled by what the server then has. From a
 * server that sends no ranges, what is asked for in parts is read whole into scratch files, which
 * are kept until {@link close}.
 */
export class BackupApiStore implements Store {
  readonly description: string;
  readonly #origin: string;
  readonly #authorization: string;
  readonly #env: Environment;
  #dispatcher: Promise<Dispatcher> | undefined;
  readonly #retry: RetryPolicy;
  readonly #timeouts: Timeouts;
  readonly #scrub: Scrub;
  readonly distant = true;
  #ranges = true;
  readonly #onWhole: ((notice: string) => void) | undefined;
  readonly #wholes = new WholeObjects((name, { signal, onBytes }) =>
    this.#download(name, { signal, onBytes }),
  );

  /** Throws `usage` for an access url, or a proxy in the environment, that is none. */
  constructor(accessUrl: string, options: BackupApiOptions = {}) {
    const { username, password, origin } = parseAccessUrl(accessUrl);
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    this.description = `${origin}/`;
    this.#origin = origin;
    this.#authorization = `Basic ${basic}`;
    this.#scrub = scrubber([basic, `${username}:${password}`, password]);
    this.#env = options.env ?? {};
    proxyFor(origin, this.#env);
    this.#retry = options.retry ?? DEFAULT_RETRY;
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
    this.#onWhole = options.onWhole;
  }

  /** False once the server has answered a range with the whole. */
  get ranges(): boolean {
    return this.#ranges;
  }

  async put(name: string, source: PutSource, options: TransferOptions = {}): Promise<StoredObject> {
    checkObjectName(name);
    return await withRetries(this.#retry, options.signal, async () => {
      const stored = await this.#putOnce(name, source, options);
      if (stored !== "unclear") return stored;
      const settled = await this.#settle(name, source, options.signal);
      if (settled !== undefined) return settled;
      throw new RestbackupError(
        "store-refused",
        `${this.description} did not take "${printable(name)}", and does not have it either.`,
      );
    });
  }

  /** One attempt: confirmed, or "unclear" when what the server now has must decide. */
  async #putOnce(
    name: string,
    source: PutSource,
    options: TransferOptions,
  ): Promise<StoredObject | "unclear"> {
    const doing = `Cannot store "${printable(name)}" in ${this.description}`;
    const upload = new Upload(source, options.onBytes);
    let failure: unknown;
    try {
      const answer = await this.#request(doing, {
        method: "PUT",
        path: encodeObjectPath(name),
        headers: {
          "content-length": String(source.size),
          "content-type": "application/octet-stream",
          "repr-digest": formatReprDigest(source.sha256),
        },
        body: upload.pieces(),
        signal: options.signal,
      });
      const status = answer.statusCode;
      if ((status >= 200 && status < 300) || status === 405) {
        await discard(answer);
        return "unclear";
      }
      failure = await refusal(doing, answer, this.#scrub);
    } catch (error) {
      failure = error;
    }
    if (upload.failure !== undefined) throw upload.failure;
    if (failure instanceof PassingFailure) {
      // The answer was lost, or came from something in between: the content may have arrived.
      const settled = await this.#settle(name, source, options.signal);
      if (settled !== undefined) return settled;
      upload.takeBack();
    }
    throw failure;
  }

  /** What the server has under the name: ours, nothing, or (thrown) other content. */
  async #settle(
    name: string,
    source: PutSource,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject | undefined> {
    const present = await this.#stat(name, signal);
    if (present === undefined) return undefined;
    if (present.size === source.size) {
      const sha256 = present.sha256 ?? (await sha256Of(this.get(name, { signal })));
      if (sha256 === source.sha256) return { ...present, sha256 };
    }
    throw new RestbackupError(
      "name-taken",
      `"${printable(name)}" is already stored in ${this.description}, with other content.`,
      { hint: "Stored objects are never replaced. Use another name." },
    );
  }

  async *get(
    name: string,
    options: Part & TransferOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkObjectName(name);
    const { start = 0, end } = options;
    if (end !== undefined && start >= end) return;
    let position = start;
    // Of an object not read yet, its beginning may turn out to be all of it.
    if (this.#ranges || (start === 0 && !this.#wholes.has(name))) {
      try {
        for await (const piece of this.#download(name, options)) {
          position += piece.length;
          yield piece;
        }
        return;
      } catch (error) {
        if (!(error instanceof NoRanges)) throw error;
        this.#foundWithoutRanges();
      }
    }
    yield* this.#wholes.read(name, { start: position, end }, options);
  }

  /** As `get`; throws {@link NoRanges} where that is found out. */
  async *#download(
    name: string,
    { start = 0, end, signal, onBytes }: Part & TransferOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const download: Download = {
      position: start,
      end,
      total: undefined,
      validator: undefined,
      start,
    };
    const patience = new Patience(this.#retry, signal);
    const doing = `Cannot read "${printable(name)}" from ${this.description}`;
    for (;;) {
      try {
        for await (const piece of this.#continue(doing, name, download, signal)) {
          download.position += piece.length;
          patience.reset();
          onBytes?.(piece.length);
          yield piece;
        }
        return;
      } catch (error) {
        if (error instanceof NoRanges) throw error;
        await patience.afterFailure(noAnswer(doing, error, signal, this.#scrub));
      }
    }
  }

  #foundWithoutRanges(): void {
    if (!this.#ranges) return;
    this.#ranges = false;
    this.#onWhole?.(
      `${this.description} sends no part of an archive alone: it is read whole, into a temporary file.`,
    );
  }

  /** One request for what is still missing; throws when less than that comes. */
  async *#continue(
    doing: string,
    name: string,
    download: Download,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const answer = await this.#request(doing, {
      method: "GET",
      path: encodeObjectPath(name),
      headers: rangeHeaders(download),
      signal,
    });
    let skip: number;
    try {
      skip = await this.#checkDownload(doing, answer, download);
    } catch (error) {
      answer.body.on("error", () => {}).destroy();
      throw error;
    }
    const { end, position } = download;
    const coming = end === undefined ? undefined : skip + end - position;
    for await (const piece of inBlocks(answer.body as AsyncIterable<Uint8Array>, coming)) {
      const dropped = Math.min(skip, piece.length);
      skip -= dropped;
      if (download.end !== undefined && piece.length - dropped > download.end - download.position) {
        throw new RestbackupError("damaged", `${doing}: more came than was announced.`);
      }
      if (dropped < piece.length) yield piece.subarray(dropped);
    }
    if (download.end !== undefined && download.position < download.end) {
      throw new PassingFailure(
        new RestbackupError("store-unreachable", `${doing}: the transfer was cut again and again.`),
      );
    }
  }

  /** Compares an answer with what was asked for; gives the number of bytes we already have. */
  async #checkDownload(doing: string, answer: Answer, download: Download): Promise<number> {
    const damaged = (why: string) => new RestbackupError("damaged", `${doing}: ${why}.`);
    const status = answer.statusCode;
    if (status === 404) {
      throw new RestbackupError("not-found", `${doing}: there is no such entry.`);
    }
    if (status === 416) throw damaged("it is shorter than the part that was asked for");
    if (status !== 200 && status !== 206) throw await refusal(doing, answer, this.#scrub);
    let total: number | undefined;
    let skip = 0;
    if (status === 206) {
      const range = contentRange(answer);
      if (range?.first !== download.position) throw damaged("another part came than was asked for");
      total = range.total;
      if (range.last + 1 !== (download.end ?? total)) {
        throw damaged("it is shorter than the part that was asked for");
      }
    } else {
      total = countField(answer, "content-length");
      skip = download.position;
    }
    const changed =
      (download.total !== undefined && total !== download.total) ||
      (download.validator !== undefined && validatorOf(answer) !== download.validator);
    if (changed) throw damaged("it changed while it was read");
    download.total = total;
    download.end ??= total;
    // A server may ignore ranges (RFC 9110, 14.2); one of all the bytes makes no difference.
    const isPart = download.start > 0 || download.end !== total;
    if (status === 200 && isPart) throw new NoRanges();
    download.validator ??= validatorOf(answer);
    return skip;
  }

  async stat(
    name: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<StoredObject | undefined> {
    checkObjectName(name);
    return await this.#stat(name, options.signal);
  }

  async #stat(name: string, signal: AbortSignal | undefined): Promise<StoredObject | undefined> {
    const doing = `Cannot look up "${printable(name)}" in ${this.description}`;
    const found = await withRetries(this.#retry, signal, async () => {
      const answer = await this.#request(doing, {
        method: "HEAD",
        path: encodeObjectPath(name),
        signal,
      });
      if (answer.statusCode === 404) {
        await discard(answer);
        return undefined;
      }
      if (answer.statusCode !== 200) throw await refusal(doing, answer, this.#scrub);
      await discard(answer);
      return {
        size: countField(answer, "content-length"),
        sha256: parseReprDigest(field(answer, "repr-digest")),
        modified: Date.parse(field(answer, "last-modified") ?? ""),
      };
    });
    if (found === undefined) return undefined;
    const digest = found.sha256 === undefined ? {} : { sha256: found.sha256 };
    if (found.size !== undefined && !Number.isNaN(found.modified)) {
      return { name, size: found.size, createtime: found.modified / 1000, ...digest };
    }
    // A server that tells neither size nor time of one entry tells both in its listing.
    for await (const entry of this.list(signal === undefined ? {} : { signal })) {
      if (entry.name === name) return { ...entry, ...digest };
    }
    throw new RestbackupError(
      "store-refused",
      `${doing}: the store says neither when it was stored nor lists it.`,
    );
  }

  async *list(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<StoredEntry, void, undefined> {
    const doing = `Cannot list ${this.description}`;
    const patience = new Patience(this.#retry, options.signal);
    // A listing that was cut is asked for again from the start; what was given is not repeated.
    const given = new Set<string>();
    for (;;) {
      try {
        const answer = await this.#request(doing, {
          method: "GET",
          path: "/",
          headers: { accept: "application/json" },
          signal: options.signal,
        });
        if (answer.statusCode !== 200) throw await refusal(doing, answer, this.#scrub);
        for await (const entry of parseListing(answer.body as AsyncIterable<Uint8Array>)) {
          if (given.has(entry.name)) continue;
          given.add(entry.name);
          patience.reset();
          yield entry;
        }
        return;
      } catch (error) {
        await patience.afterFailure(noAnswer(doing, error, options.signal, this.#scrub));
      }
    }
  }

  /**
   * Asks for a session (`backup-api.md`, part 1, MAKESESSION). Throws `store-refused` when the
   * server makes none, or one whose url is not its own.
   */
  async makeSession(options: { readonly signal?: AbortSignal } = {}): Promise<Session> {
    const doing = `Cannot make a session at ${this.description}`;
    return await withRetries(this.#retry, options.signal, async () => {
      const asked = Date.now();
      const answer = await this.#request(doing, {
        method: "POST",
        path: "/",
        headers: { "x-http-method-override": "MAKESESSION" },
        signal: options.signal,
      });
      if (answer.statusCode !== 204) throw await refusal(doing, answer, this.#scrub);
      await discard(answer);
      const location = field(answer, "location") ?? "";
      const url = URL.canParse(location, this.#origin)
        ? new URL(location, this.#origin)
        : undefined;
      // Elsewhere it could be a page that asks for credentials.
      if (location === "" || url?.origin !== new URL(this.#origin).origin) {
        throw new RestbackupError("store-refused", `${doing}: it answered with no url of its own.`);
      }
      return { url: url.href, expires: new Date(asked + SESSION_LIFE) };
    });
  }

  async close(): Promise<void> {
    const dispatcher = await this.#dispatcher?.catch(() => undefined);
    await dispatcher?.destroy();
    await this.#wholes.close();
  }

  /** Loaded with the first request: it takes as long to start as all else that talks to a store. */
  #connect(): Promise<Dispatcher> {
    this.#dispatcher ??= import("./dispatcher.ts").then(({ createDispatcher }) =>
      createDispatcher(this.#origin, this.#env),
    );
    return this.#dispatcher;
  }

  /** Sends one request. Throws a {@link PassingFailure} when no answer comes. */
  async #request(doing: string, options: RequestOptions): Promise<Answer> {
    const isPut = options.method === "PUT";
    const dispatcher = await this.#connect();
    try {
      return await dispatcher.request({
        origin: this.#origin,
        path: options.path,
        method: options.method,
        headers: {
          authorization: this.#authorization,
          "user-agent": `restbackup/${VERSION}`,
          "accept-encoding": "identity",
          accept: "*/*",
          ...options.headers,
        },
        // A generator is read piece by piece; undici's types know it as a Readable only.
        body: (options.body ?? null) as Dispatcher.DispatchOptions["body"] & null,
        signal: options.signal ?? null,
        headersTimeout: isPut ? this.#timeouts.stored : this.#timeouts.answer,
        bodyTimeout: this.#timeouts.idle,
      });
    } catch (error) {
      throw noAnswer(doing, error, options.signal, this.#scrub);
    }
  }
}

/** One attempt's content on its way, counted; a failure of our own reading is told from others. */
class Upload {
  readonly #source: PutSource;
  readonly #onBytes: ((bytes: number) => void) | undefined;
  #sent = 0;
  failure: RestbackupError | undefined;

  constructor(source: PutSource, onBytes: ((bytes: number) => void) | undefined) {
    this.#source = source;
    this.#onBytes = onBytes;
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      const { file } = this.#source;
      const content: AsyncIterable<Uint8Array> =
        file === undefined ? this.#source.open() : filePieces(file);
      for await (const piece of content) {
        this.#sent += piece.length;
        this.#onBytes?.(piece.length);
        yield piece;
      }
    } catch (error) {
      this.failure = new RestbackupError("io", "The content to be stored cannot be read.", {
        cause: error,
      });
      throw error;
    }
    if (this.#sent !== this.#source.size) {
      this.failure = new RestbackupError("io", "The content changed while it was being stored.");
      throw this.failure;
    }
  }

  /** The next attempt begins at nothing again. */
  takeBack(): void {
    if (this.#sent > 0) this.#onBytes?.(-this.#sent);
    this.#sent = 0;
  }
}

function rangeHeaders({ position, end, validator }: Download): Record<string, string> {
  if (position === 0 && end === undefined) return {};
  return {
    range: `bytes=${position}-${end === undefined ? "" : end - 1}`,
    ...(validator === undefined ? {} : { "if-range": validator }),
  };
}

/** A strong entity tag, else the date of last change. */
function validatorOf(answer: Answer): string | undefined {
  const tag = field(answer, "etag");
  return tag?.startsWith('"') ? tag : field(answer, "last-modified");
}
