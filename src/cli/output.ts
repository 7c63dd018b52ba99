import { fstatSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import { RestbackupError, systemCode } from "../errors.ts";
import { visible } from "../words.ts";
import { redact } from "./redact.ts";

export interface OutputStyle {
  /** One JSON document on stdout, JSON lines on stderr. */
  readonly json: boolean;
  /** Nothing but results that were asked for, warnings and errors. */
  readonly quiet: boolean;
  /** Also how things are done, on stderr. */
  readonly verbose: boolean;
}

/** Everything a command says goes through here. */
export class Output {
  style: OutputStyle;
  readonly #out: Writable;
  readonly #err: NodeJS.WriteStream;
  #closed = false;
  #failure: Error | undefined;
  #status = false;

  constructor(
    style: OutputStyle,
    out: Writable = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
  ) {
    this.style = style;
    this.#out = out;
    this.#err = err;
    out.on("error", (error) => this.#failed(error));
    err.on("error", () => {});
  }

  /** Whether nobody reads stdout any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The result of a command: text for a person, or the same as one JSON document. Throws `io` when
   * it cannot be written, with `ifLost` as hint: what became of the work that it is the result of.
   */
  async result(lines: readonly string[], json: unknown, ifLost?: string): Promise<void> {
    this.status(undefined);
    await this.write(
      this.style.json ? `${JSON.stringify(json)}\n` : lines.map((line) => `${line}\n`).join(""),
      ifLost,
    );
  }

  /** A summary that only says that all went well: left out when quiet. Throws as `result`. */
  async summary(lines: readonly string[], json: unknown): Promise<void> {
    const ifLost = "What was asked for was done; only the report of it is lost.";
    await this.result(this.style.quiet ? [] : lines, json, ifLost);
  }

  /** Raw text or bytes on stdout; waits while the reader is slow. Throws as `result`. */
  async write(text: string | Uint8Array, ifLost?: string): Promise<void> {
    if (!this.#closed && text.length > 0) {
      if (writesToFile(this.#out)) this.#writeToFile(text);
      else await this.#writeToStream(text);
    }
    if (this.#failure === undefined) return;
    const { message } = this.#failure;
    throw new RestbackupError("io", `The result could not be printed: ${message}.`, {
      cause: this.#failure,
      ...(ifLost === undefined ? {} : { hint: ifLost }),
    });
  }

  async #writeToStream(text: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#out.write(text, (error) => {
        if (error) this.#failed(error);
        resolve();
      });
    });
  }

  /** A reader that has seen enough (`| head`) is no failure; the work itself goes on. */
  #failed(error: Error): void {
    this.#closed = true;
    if (systemCode(error) !== "EPIPE") this.#failure ??= error;
  }

  /** Node's own stream for files takes a part for the whole when a disk fills up on the way. */
  #writeToFile(text: string | Uint8Array): void {
    try {
      for (let rest: Uint8Array = asBytes(text); rest.length > 0; ) {
        rest = rest.subarray(writeSync(process.stdout.fd, rest));
      }
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** What a person should know, and a program has in the result. */
  notice(text: string): void {
    if (!this.style.json && !this.style.quiet) this.#line(text);
  }

  /** How things are done, for whoever asked with --verbose. Never holds a secret. */
  detail(message: string): void {
    if (!this.style.verbose) return;
    this.#line(this.style.json ? JSON.stringify({ detail: { message } }) : visible(message));
  }

  /** What must be seen, quiet or not. */
  warn(message: string): void {
    this.#line(this.style.json ? JSON.stringify({ warning: { message } }) : `warning: ${message}`);
  }

  /** Why the command failed, in words. */
  error(error: unknown, debug: boolean): void {
    const { code, message, hint } = inWords(error);
    const stack = debug && error instanceof Error ? redact(stackOf(error)) : undefined;
    if (this.style.json) {
      this.#line(JSON.stringify({ error: { code, message, hint, stack } }));
      return;
    }
    this.#line(`restbackup: ${message}`);
    if (hint !== undefined) this.#line(hint);
    if (stack !== undefined) this.#line(stack);
  }

  /** A line on stderr that is replaced by the next one; undefined takes it away. */
  status(text: string | undefined): void {
    if (text === undefined && !this.#status) return;
    this.#status = text !== undefined;
    // CR, and "erase to the end of the line" (ECMA-48, EL).
    this.#err.write(`\r${(text ?? "").slice(0, (this.#err.columns || 80) - 1)}\u001b[K`);
  }

  /** A line on stderr as it is. */
  log(text: string): void {
    this.#line(text);
  }

  #line(text: string): void {
    this.status(undefined);
    this.#err.write(`${text}\n`);
  }
}

function asBytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? Buffer.from(text) : text;
}

function writesToFile(out: Writable): boolean {
  return out === process.stdout && fstatSync(process.stdout.fd).isFile();
}

function inWords(error: unknown): { code: string; message: string; hint: string | undefined } {
  if (error instanceof RestbackupError) {
    const { code, message, hint } = error;
    return { code, message: redact(message), hint: hint === undefined ? hint : redact(hint) };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return {
    code: "unexpected",
    message: `Something went wrong that should not have: ${redact(reason)}`,
    hint: "Run it again with RESTBACKUP_DEBUG=1 to see where, and report it.",
  };
}

function stackOf(error: Error): string {
  const { stack = String(error), cause } = error;
  return cause instanceof Error ? `${stack}\nCaused by: ${stackOf(cause)}` : stack;
}
