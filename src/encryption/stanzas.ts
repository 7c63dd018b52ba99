import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { RestbackupError } from "../errors.ts";

/** The text of an age header (age spec, "File header"): stanzas, and the MAC over them. */

/** What one recipient's key can make the file key of. */
export interface Stanza {
  /** Its type, and what belongs to that. */
  readonly args: readonly string[];
  readonly body: Buffer;
}

/** Someone a file key is wrapped for. */
export interface StanzaRecipient {
  wrap(fileKey: Buffer): Stanza | Promise<Stanza>;
}

/** Someone who may be able to unwrap it. */
export interface StanzaIdentity {
  /** The file key; undefined where no stanza is for this identity. Throws `damaged`. */
  unwrap(stanzas: readonly Stanza[]): Buffer | undefined | Promise<Buffer | undefined>;
}

export const VERSION_LINE = "age-encryption.org/v1";
/** Length of the key that all recipients get, in bytes. */
export const FILE_KEY = 16;
const FOOTER = "---";
/** Bytes of a body in a full line of 64 characters. */
const BODY_LINE = 48;
const MAC = 32;

/** Header bytes, up to and including the line of the MAC. */
export function encodeHeader(stanzas: readonly Stanza[], fileKey: Buffer): Buffer {
  const lines = [VERSION_LINE];
  for (const { args, body } of stanzas) {
    lines.push(`-> ${args.join(" ")}`);
    // Always ends with a line that is not full, be it an empty one.
    for (let at = 0; at <= body.length; at += BODY_LINE) {
      lines.push(toBase64(body.subarray(at, at + BODY_LINE)));
    }
  }
  const text = `${lines.join("\n")}\n${FOOTER}`;
  const mac = macOf(Buffer.from(text, "latin1"), fileKey);
  return Buffer.from(`${text} ${toBase64(mac)}\n`, "latin1");
}

/** A header as it was read, its MAC not yet checked. */
export interface ParsedHeader {
  readonly stanzas: readonly Stanza[];
  /** Throws `damaged` where this is not the header that was written with this file key. */
  check(fileKey: Buffer): void;
}

/** Reads a header that ends with the line of its MAC. Throws `damaged`. */
export function parseHeader(header: Buffer): ParsedHeader {
  const lines = header.toString("latin1").split("\n");
  // What comes after the last line end.
  if (lines.pop() !== "" || lines.shift() !== VERSION_LINE) throw malformedHeader();
  const last = lines.pop() ?? "";
  if (!last.startsWith(`${FOOTER} `)) throw malformedHeader();
  const mac = fromBase64(last.slice(FOOTER.length + 1));
  if (mac?.length !== MAC) throw malformedHeader();
  const covered = header.subarray(0, header.length - 1 - last.length + FOOTER.length);
  const stanzas = stanzasIn(lines);
  return {
    stanzas,
    check(fileKey) {
      if (!timingSafeEqual(macOf(covered, fileKey), mac)) throw malformedHeader();
    },
  };
}

function stanzasIn(lines: readonly string[]): Stanza[] {
  const stanzas: Stanza[] = [];
  for (let at = 0; at < lines.length; ) {
    const [arrow, ...args] = lines[at++]!.split(" ");
    // Arguments are one or more printable characters each (age spec: VCHAR).
    if (arrow !== "->" || args.length === 0 || !args.every((arg) => /^[\x21-\x7e]+$/.test(arg))) {
      throw malformedHeader();
    }
    const body: Buffer[] = [];
    for (let whole = true; whole; ) {
      const piece = fromBase64(lines[at++]);
      if (piece === undefined || piece.length > BODY_LINE) throw malformedHeader();
      body.push(piece);
      whole = piece.length === BODY_LINE;
    }
    stanzas.push({ args, body: Buffer.concat(body) });
  }
  if (stanzas.length === 0) throw malformedHeader();
  return stanzas;
}

/** Base64 without padding (RFC 4648, 4). */
export function toBase64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}

/** The bytes of base64 without padding; undefined for what that is not, bits left over included. */
export function fromBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, "base64");
  return toBase64(bytes) === text ? bytes : undefined;
}

export function malformedHeader(cause?: unknown): RestbackupError {
  return new RestbackupError("damaged", "The archive's age header is damaged.", { cause });
}

function macOf(covered: Buffer, fileKey: Buffer): Buffer {
  const key = Buffer.from(hkdfSync("sha256", fileKey, "", "header", MAC));
  return createHmac("sha256", key).update(covered).digest();
}
