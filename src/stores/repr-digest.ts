/** The field `Repr-Digest: sha-256=:BASE64:` (RFC 9530, 3), used by client and server alike. */

/** `sha256` is 64 hex digits. */
export function formatReprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, "hex").toString("base64")}:`;
}

/** The SHA-256 in a field's value as 64 lower-case hex digits; undefined when it holds none. */
export function parseReprDigest(value: string | undefined): string | undefined {
  const digest = parseDigests(value ?? "")?.get("sha-256");
  return digest?.length === 32 ? digest.toString("hex") : undefined;
}

/** `key=:BASE64:` and parameters, which say nothing to us, up to a comma or the end. */
const MEMBER =
  /([a-z*][a-z0-9_.*-]*)=:([^:]*):(?:[ ]*;[ ]*[a-z*][a-z0-9_.*-]*(?:=(?:"[^"]*"|[^",; ]+))?)*[ \t]*(?:,[ \t]*(?!$)|$)/y;

/**
 * The digests in a `Repr-Digest` or `Content-Digest` field by their algorithms: a dictionary of byte
 * sequences (RFC 9530, 2; RFC 9651, 3.2). Of several for one algorithm the last one counts. A value
 * that is no Base64 is there and empty; undefined when the field is no such dictionary.
 */
export function parseDigests(value: string): Map<string, Buffer> | undefined {
  const digests = new Map<string, Buffer>();
  MEMBER.lastIndex = 0;
  const text = value.trim();
  while (MEMBER.lastIndex < text.length) {
    const match = MEMBER.exec(text);
    if (match === null) return undefined;
    digests.set(match[1]!, decodeBase64(match[2]!));
  }
  return digests;
}

function decodeBase64(text: string): Buffer {
  return Buffer.from(/^[A-Za-z0-9+/]*={0,2}$/.test(text) ? text : "", "base64");
}
