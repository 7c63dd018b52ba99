import { ageInWords } from "../words.ts";

/** Text that is HTML already: what comes from outside becomes it through {@link escapeHtml} only. */
export type Html = string;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as the content of an element or of an attribute in quotes. */
export function escapeHtml(text: string): Html {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * What cannot be seen, or moves what is around it: controls, formats such as those that turn the
 * direction of writing, spaces but the common one, and half characters. The two joiners stay, since
 * scripts and emoji need them.
 */
const UNSEEN = /(?!\u200c|\u200d| )[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}]/gu;

/** A name somebody chose, all of it visible, and apart from the text around it. */
export function nameHtml(name: string): Html {
  let html = "";
  let end = 0;
  for (const { 0: character, index } of name.matchAll(UNSEEN)) {
    const code = character.codePointAt(0)!.toString(16);
    html += `${escapeHtml(name.slice(end, index))}<span class="unseen">\\u{${code}}</span>`;
    end = index + character.length;
  }
  return `<bdi class="name">${html}${escapeHtml(name.slice(end))}</bdi>`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "short",
  timeZone: "UTC",
});

/** Unix seconds as `23 Nov 2026, 09:40`, in UTC. */
export function momentInWords(unixSeconds: number): string {
  return MOMENT.format(unixSeconds * 1000);
}

/** A moment for people and programs. */
export function momentHtml(unixSeconds: number): Html {
  return timeHtml(unixSeconds, momentInWords(unixSeconds));
}

/** The day of a moment for people, the moment for programs. */
export function dayHtml(unixSeconds: number): Html {
  return timeHtml(unixSeconds, DAY.format(unixSeconds * 1000));
}

function timeHtml(unixSeconds: number, words: string): Html {
  const iso = new Date(unixSeconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  return `<time datetime="${iso}">${words}</time>`;
}

/** Seconds from now as `in 3 hours`; `expired` when they are over. */
export function remainingInWords(seconds: number): string {
  return seconds < 1 ? "expired" : `in ${ageInWords(seconds).replace(/ ago$/, "")}`;
}
