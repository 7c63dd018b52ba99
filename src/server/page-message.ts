import { STATUS_CODES } from "node:http";
import { documentHtml } from "./page.ts";
import { escapeHtml, type Html } from "./page-text.ts";

const HEADINGS: Readonly<Record<number, string>> = {
  401: "Username and password needed",
  404: "Nothing here",
  410: "This session is over",
  429: "Too many requests",
};

const ADVICE: Readonly<Record<number, string>> = {
  401:
    "Load this page again and give both. They stand in the access url, " +
    "https://USERNAME:PASSWORD@HOST/, which was shown when the account was made.",
  404: "It may have been kept for as long as was asked, and be gone now.",
};

/** A refusal as a page. `message` is a sentence for a person. */
export function messagePage(status: number, message: string): Html {
  const heading = HEADINGS[status] ?? STATUS_CODES[status] ?? "Refused";
  const advice = ADVICE[status];
  return documentHtml(
    heading,
    `<main class="message">
<h1>${escapeHtml(heading)}</h1>
<p>${escapeHtml(message)}</p>
${advice === undefined ? "" : `<p class="soft">${escapeHtml(advice)}</p>`}
</main>`,
  );
}
