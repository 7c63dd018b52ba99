import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { STYLE } from "./page-style.ts";
import { escapeHtml, type Html } from "./page-text.ts";

/** The mark of these pages, and in a tab. */
export const MARK: Html =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">` +
  `<rect width="32" height="32" rx="7" fill="#0b5f54"/>` +
  `<path d="M16 6v13m-6-6 6 6 6-6M8 25h16" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>`;

/** In the page itself, so that no browser asks for one. */
const ICON = `data:image/svg+xml,${encodeURIComponent(MARK)}`;

/** No script, nothing from elsewhere, in nobody's frame: this style and this icon are all there is. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A whole document. `title` is text, `body` HTML. */
export function documentHtml(title: string, body: Html): Html {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<link rel="icon" href="${escapeHtml(ICON)}">
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/** Sends a document, or to HEAD its header. */
export function sendPage(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  html: Html,
): void {
  res.writeHead(status, pageHeaders(html));
  res.end(req.method === "HEAD" ? undefined : html);
}

/** The header fields of a document, those that guard it included. */
export function pageHeaders(html: Html): Record<string, string | number> {
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": Buffer.byteLength(html),
    "Cache-Control": "no-store, private",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    Vary: "Accept",
  };
}
