import type { IncomingHttpHeaders } from "node:http";
import { parseDigests } from "../stores/repr-digest.ts";
import { Refusal } from "./refusal.ts";

/** What a client says its content is; the server checks it before there is an entry. */
export interface AnnouncedDigests {
  /** 64 lower-case hex digits. */
  readonly sha256: string | undefined;
  /** 128 lower-case hex digits. */
  readonly sha512: string | undefined;
}

/**
 * The digests of a PUT (RFC 9530). Files are stored whole and as they come, so `Repr-Digest` and
 * `Content-Digest` are about the same bytes. Other algorithms than SHA-256 and SHA-512 are passed
 * over (section 5). Throws a refusal (400) for malformed fields and for two that disagree: whoever
 * sends a digest wants it checked.
 */
export function announcedDigests(headers: IncomingHttpHeaders): AnnouncedDigests {
  const fields = ["Repr-Digest", "Content-Digest"].map((name) => digestsIn(headers, name));
  return {
    sha256: agreed(fields, "sha-256"),
    sha512: agreed(fields, "sha-512"),
  };
}

const DIGEST_BYTES: Readonly<Record<string, number>> = { "sha-256": 32, "sha-512": 64 };

function digestsIn(headers: IncomingHttpHeaders, name: string): Map<string, Buffer> {
  const field = headers[name.toLowerCase()];
  const digests = field === undefined ? new Map<string, Buffer>() : parseDigests(String(field));
  if (digests === undefined) throw new Refusal(400, `The ${name} is malformed.`);
  for (const [algorithm, bytes] of Object.entries(DIGEST_BYTES)) {
    const length = digests.get(algorithm)?.length ?? bytes;
    if (length !== bytes) throw new Refusal(400, `The ${name} is malformed.`);
  }
  return digests;
}

function agreed(fields: readonly Map<string, Buffer>[], algorithm: string): string | undefined {
  const values = fields.flatMap((field) => field.get(algorithm)?.toString("hex") ?? []);
  if (new Set(values).size > 1) throw new Refusal(400, "The digests contradict each other.");
  return values[0];
}

/**
 * Whether `Want-Repr-Digest` says that a SHA-256 is of no use (RFC 9530, 4): its preference is 0.
 * The field is a wish; without one, or with one that is malformed, the digest is sent.
 */
export function wantsNoSha256(headers: IncomingHttpHeaders): boolean {
  const field = headers["want-repr-digest"];
  return /(?:^|,)[ \t]*sha-256=0+[ \t]*(?:;[^,]*)?(?:,|$)/.test(String(field ?? ""));
}
