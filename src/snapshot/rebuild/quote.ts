import { isObject, type Json, type JsonObject } from "../github/json.ts";

/** GitHub takes 65,536 characters for a text; some room is for what is said around a part of one. */
const MOST = 65_000;

/**
 * What somebody wrote, as texts that a server takes: who wrote it and when stands above, for the API
 * cannot set that. A text that is too long comes in several.
 */
export function quoted(said: string, item: JsonObject): string[] {
  const { user, created_at, html_url, body, reactions } = item;
  const who = isObject(user) && typeof user.login === "string" ? user.login : "somebody unknown";
  const facts = [
    `**${said} by \`${who}\` on ${dateOf(created_at)}**`,
    ...(typeof html_url === "string" ? [`was ${html_url}`] : []),
    ...(isObject(reactions) ? reactionsOf(reactions) : []),
    ...assigned(item.assignees),
  ];
  const text = typeof body === "string" ? withoutMentions(body) : "";
  const parts = cut(text);
  return [`> ${facts.join(" · ")}\n\n${parts[0]}`, ...parts.slice(1)];
}

/**
 * Names with an @ notify people, who would get all their messages of years again. An empty comment
 * between the two is not seen by readers, and can be taken out again; code stays as it is.
 */
function withoutMentions(text: string): string {
  return text
    .split(/(```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]+`)/)
    .map((part, index) =>
      index % 2 === 1 ? part : part.replaceAll(/(?<![\w/])@(?=[A-Za-z\d])/g, "@<!-- -->"),
    )
    .join("");
}

function cut(text: string): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > MOST) {
    // At the end of a line where there is one, and never inside a character.
    const line = rest.lastIndexOf("\n", MOST) + 1;
    const whole = /[\uD800-\uDBFF]/.test(rest[MOST - 1]!) ? MOST - 1 : MOST;
    const end = line > MOST / 2 ? line : whole;
    parts.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...parts, rest];
}

const FACES: Readonly<Record<string, string>> = {
  "+1": "👍",
  "-1": "👎",
  laugh: "😄",
  hooray: "🎉",
  confused: "😕",
  heart: "❤️",
  rocket: "🚀",
  eyes: "👀",
};

function reactionsOf(reactions: JsonObject): string[] {
  const counts = Object.entries(FACES).flatMap(([name, face]) =>
    Number(reactions[name]) > 0 ? [`${face} ${reactions[name]}`] : [],
  );
  return counts.length === 0 ? [] : [counts.join(" ")];
}

function assigned(assignees: Json | undefined): string[] {
  const names = Array.isArray(assignees) ? assignees.map(({ login }) => `\`${login}\``) : [];
  return names.length === 0 ? [] : [`assigned to ${names.join(", ")}`];
}

function dateOf(time: Json | undefined): string {
  return typeof time === "string"
    ? `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`
    : "an unknown day";
}
