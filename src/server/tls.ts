import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { RestbackupError } from "../errors.ts";

/** PEM texts: the certificate with its chain, and its key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Paths of such PEM files. */
export interface KeyPairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A pair that can be served, and until when: Unix seconds. */
export interface UsablePair extends KeyPair {
  readonly expires: number;
}

/** How often it is looked whether files were replaced, in milliseconds. */
const LOOK_EVERY = 10_000;
/** More than any chain or key. */
const MOST_BYTES = 2 ** 20;

/** Throws `usage` for what is no PEM, is cut short, or does not belong together. */
export function checkKeyPair({ cert, key }: KeyPair): UsablePair {
  const certificate = read("The certificate is not whole, or not PEM.", () => {
    return new X509Certificate(cert);
  });
  const privateKey = read("The key is not whole, not PEM, or behind a passphrase.", () => {
    return createPrivateKey(key);
  });
  if (!certificate.checkPrivateKey(privateKey)) {
    throw unusable("The key is not the certificate's.");
  }
  read("The certificate's chain is not whole.", () => createSecureContext({ cert, key }));
  return { cert, key, expires: Math.floor(certificate.validToDate.getTime() / 1000) };
}

function read<T>(fault: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw unusable(fault, cause);
  }
}

function unusable(why: string, cause?: unknown): RestbackupError {
  return new RestbackupError("usage", `The TLS certificate and key cannot be used. ${why}`, {
    hint: "Both must be PEM files and belong to each other.",
    cause,
  });
}

export interface CertificateFilesOptions {
  /** Takes a pair that was renewed. */
  readonly onRenewed: (pair: UsablePair) => void;
  /** Is told once why files that changed are not taken. The pair in use stays. */
  readonly onProblem: (message: string) => void;
  readonly lookEvery?: number;
}

/**
 * A certificate and key in files that are replaced now and then: rewritten, renamed over, or, as
 * certbot does, by links that lead elsewhere. A new pair is taken when both files have been at rest
 * from one look to the next and belong together.
 */
export class CertificateFiles {
  readonly #files: KeyPairFiles;
  readonly #options: CertificateFilesOptions;
  #timer: NodeJS.Timeout | undefined;
  /** What the files were like when the pair in use was read. */
  #taken = "";
  #lastSeen = "";
  /** Told already. */
  #problem = "";
  #looking: Promise<void> = Promise.resolve();

  constructor(files: KeyPairFiles, options: CertificateFilesOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** Reads the files for the first time and begins to watch them. Throws `usage`. */
  async start(): Promise<UsablePair> {
    let pair: UsablePair;
    try {
      this.#taken = await this.#version();
      pair = checkKeyPair(await this.#read());
    } catch (error) {
      if (error instanceof RestbackupError) throw error;
      throw unusable(`${messageOf(error)}.`, error);
    }
    this.#lastSeen = this.#taken;
    const { lookEvery = LOOK_EVERY } = this.#options;
    this.#timer = setInterval(() => this.#inTurn(() => this.#look()), lookEvery).unref();
    return pair;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Reads the files now, changed or not, for an operator who says so. */
  async reload(): Promise<void> {
    this.#problem = "";
    await this.#inTurn(async () => this.#take(await this.#version()));
  }

  /** One after the other; what fails is told and never thrown. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#looking = this.#looking.then(work).catch((error: unknown) => {
      const message = messageOf(error);
      if (message !== this.#problem) this.#options.onProblem(message);
      this.#problem = message;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const version = await this.#version();
    const atRest = version === this.#lastSeen;
    this.#lastSeen = version;
    // What could not be used is tried again: it may have been written without a trace in its times.
    if (version !== this.#taken && atRest) await this.#take(version);
  }

  async #take(version: string): Promise<void> {
    const pair = checkKeyPair(await this.#read());
    // Replaced while it was read: the next look sees to that.
    if ((await this.#version()) !== version) return;
    this.#taken = version;
    this.#lastSeen = version;
    this.#problem = "";
    this.#options.onRenewed(pair);
  }

  async #read(): Promise<KeyPair> {
    const { certFile, keyFile } = this.#files;
    const [cert, key] = await Promise.all([readPem(certFile), readPem(keyFile)]);
    return { cert, key };
  }

  /** Another one whenever a path leads to another file, or the file was written. */
  async #version(): Promise<string> {
    const { certFile, keyFile } = this.#files;
    const versions = [certFile, keyFile].map(async (path) => {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
    });
    return (await Promise.all(versions)).join(", ");
  }
}

async function readPem(path: string): Promise<string> {
  if ((await stat(path)).size > MOST_BYTES)
    throw new Error(`${path} is far too big for a PEM file`);
  return await readFile(path, "utf8");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
