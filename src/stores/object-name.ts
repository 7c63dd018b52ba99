import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";

const MAX_SEGMENT_BYTES = 255;
const MAX_NAME_BYTES = 1024;

/**
 * Checks the name of a stored object, without leading slash (`backup-api.md`, part 3, "Names"):
 * valid Unicode, each segment 1-255 bytes, the whole at most 1024 bytes, no
 * empty, `.` or `..` segment, no control characters, nothing under `session/`. Throws `usage`.
 */
export function checkObjectName(name: string): string {
  const fault = faultOf(name);
  if (fault !== undefined) {
    throw new RestbackupError("usage", `"${printable(name)}" cannot be a stored name: ${fault}.`);
  }
  return name;
}

function faultOf(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (!name.isWellFormed()) return "it is not valid Unicode";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return "it holds control characters";
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return "it is longer than 1024 bytes";
  const segments = name.split("/");
  for (const segment of segments) {
    if (segment === "") return "it has an empty part (a slash at an end, or two in a row)";
    if (segment === "." || segment === "..") return `"${segment}" is not allowed as a part`;
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return "a part is longer than 255 bytes";
  }
  if (segments[0] === "session" && segments.length > 1) return '"session/" belongs to the server';
  return undefined;
}

/** The url path of an object: `/a%20b/c`. Every byte but RFC 3986 "unreserved" is encoded. */
export function encodeObjectPath(name: string): string {
  return `/${name.split("/").map(encodeSegment).join("/")}`;
}

function encodeSegment(segment: string): string {
  // encodeURIComponent leaves !'()* as they are, which RFC 3986 reserves.
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * The object name a request's path means. `path` is the target as `node:http` hands it over: one
 * character a byte. Broken escapes, bytes that are no UTF-8, an encoded slash and a query are
 * refused rather than guessed at, so that no two readings of one path exist. Throws `usage`.
 */
export function decodeObjectPath(path: string): string {
  const refuse = (why: string): never => {
    throw new RestbackupError("usage", `The path "${printable(path)}" is not a name: ${why}.`);
  };
  if (!path.startsWith("/")) refuse("it has no leading slash");
  if (path.includes("?")) refuse('it has a query; a "?" in a name is written %3F');
  if (/%(?![0-9a-f]{2})/i.test(path)) refuse('a "%" is not followed by two hex digits');
  if (/%2f/i.test(path)) refuse("it holds an encoded slash");
  const bytes = path
    .slice(1)
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number(`0x${hex}`)));
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(bytes, "latin1"),
    );
  } catch {
    return refuse("it is not UTF-8");
  }
  return checkObjectName(name);
}
