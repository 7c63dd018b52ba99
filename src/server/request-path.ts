import type { IncomingMessage } from "node:http";

/** The target's path and query; a proxy may send it in absolute form (RFC 9112, 3.2.2). */
export function pathOf(req: IncomingMessage): string {
  return (req.url ?? "").replace(/^https?:\/\/[^/?]*/i, "");
}

/** A path below `/session/`, in its parts. */
export interface SessionPath {
  readonly token: string;
  /** What comes after the token, with its slash: `/`, `/?before=…`, `/NAME`; or nothing. */
  readonly rest: string;
}

/** Reads `/session/TOKEN/…`; undefined for any other path. */
export function parseSessionPath(path: string): SessionPath | undefined {
  const [, token, rest] = /^\/session\/([^/?]*)(.*)$/s.exec(path) ?? [];
  return token === undefined || rest === undefined ? undefined : { token, rest };
}

/**
 * The path as a log may have it: a session's is a key to the backups, however it is spelled, and is
 * written `/session/…`.
 */
export function loggablePath(req: IncomingMessage): string {
  const path = pathOf(req);
  const plain = path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /(?:^|[/\\])session(?:[/\\?;#]|$)/i.test(plain) ? "/session/…" : path;
}
