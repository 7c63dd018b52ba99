import { STATUS_CODES } from "node:http";
import { documentHtml, MARK } from "./page.ts";
import { escapeHtml, type Html } from "./page-text.ts";

const HEADINGS: Readonly<Record<number, string>> = {
  401: "Username and password needed",
  404: "Nothing here",
  410: "This session is over",
  429: "Too many requests",
};

const SIGN_IN =
  "Load this page again and give both. They stand in the access url, " +
  "https://USERNAME:PASSWORD@HOST/, which was shown when the account was made.";

/** A refusal as a page. `message` is a sentence for a person. */
export function messagePage(status: number, message: string): Html {
  const heading = HEADINGS[status] ?? STATUS_CODES[status] ?? "Refused";
  return documentHtml(
    heading,
    `<main class="message">
<p class="host">${MARK} restbackup</p>
<h1>${escapeHtml(heading)}</h1>
<p>${escapeHtml(message)}</p>${status === 401 ? `\n<p class="soft">${SIGN_IN}</p>` : ""}
</main>`,
  );
}
