/** The field `Repr-Digest: sha-256=:BASE64:` (RFC 9530, 3), used by client and server alike. */

/** `sha256` is 64 hex digits. */
export function formatReprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, "hex").toString("base64")}:`;
}

/** The SHA-256 in a field's value as 64 lower-case hex digits; undefined when it holds none. */
export function parseReprDigest(value: string | undefined): string | undefined {
  // A dictionary of algorithms (RFC 8941, 3.2); ones we do not know are passed over.
  const match = /(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*(?:;[^,]*)?(?:,|$)/.exec(
    value ?? "",
  );
  return match === null ? undefined : Buffer.from(match[1]!, "base64").toString("hex");
}
