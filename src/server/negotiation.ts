/** What a client would rather read, of what this server can send. */
export type Preference = "html" | "json" | "text";

/**
 * What `java.net.HttpURLConnection` sends for programs that ask for nothing: it begins with HTML, and
 * means no preference. Clients of this API were written with it.
 */
const JAVA_DEFAULT = /^text\/html, image\/gif, image\/jpeg, (?:\*; ?q=\.2, )?\*\/\*; ?q=0?\.2$/;

/**
 * Whether a page is wanted instead of JSON: only where the client prefers `text/html`
 * (`backup-api.md`, part 2). Without an `Accept` field, and where anything is taken alike, JSON is
 * sent.
 */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined || JAVA_DEFAULT.test(accept)) return false;
  const ranges = parseAccept(accept);
  return qualityOf("text/html", ranges) > qualityOf("application/json", ranges);
}

/**
 * The form of a refusal: a page where that is preferred, problem details (RFC 9457) where JSON is
 * asked for by name, else one line of text.
 */
export function preferredRefusal(accept: string | undefined): Preference {
  if (prefersHtml(accept)) return "html";
  const named = parseAccept(accept ?? "").some(
    ({ type, quality }) => quality > 0 && /^application\/(?:.+\+)?json$/.test(type),
  );
  return named ? "json" : "text";
}

interface MediaRange {
  /** A type, or all of its subtypes, or any; lower case. */
  readonly type: string;
  /** 0 to 1. */
  readonly quality: number;
}

/** RFC 9110, 12.5.1. What is malformed is passed over. */
function parseAccept(field: string): MediaRange[] {
  return field.split(",").flatMap((element) => {
    const [type = "", ...parameters] = element.split(";").map((part) => part.trim().toLowerCase());
    if (!/^[^\s/]+\/[^\s/]+$/.test(type)) return [];
    const weight = parameters.findIndex((parameter) => /^q\s*=/.test(parameter));
    const others = weight < 0 ? parameters : parameters.slice(0, weight);
    // A range for some special form of a type, such as text/html;level=1, is not for ours.
    if (!others.every((parameter) => /^(?:charset\s*=\s*"?utf-8"?)?$/.test(parameter))) return [];
    const quality = weight < 0 ? 1 : parseWeight(parameters[weight]!);
    return quality === undefined ? [] : [{ type, quality }];
  });
}

/** `q=0.8` (RFC 9110, 12.4.2). */
function parseWeight(parameter: string): number | undefined {
  const value = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameter)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** What the most specific range that matches says; 0 when none does. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const pattern of [type, type.replace(/\/.*/, "/*"), "*/*"]) {
    const matching = ranges.filter((range) => range.type === pattern);
    if (matching.length > 0) return Math.max(...matching.map(({ quality }) => quality));
  }
  return 0;
}
