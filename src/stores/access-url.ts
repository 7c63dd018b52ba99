import { RestbackupError } from "../errors.ts";

/** An access url taken apart. Never printed: its first two fields are the secret. */
export interface AccessUrl {
  readonly username: string;
  readonly password: string;
  /** Scheme, host and port: `https://backup.example:8443`. */
  readonly origin: string;
}

/** `backup-api.md`, part 1. */
const ACCESS_URL = /^https:\/\/([a-zA-Z0-9]+):([a-zA-Z0-9]+)@([-.a-zA-Z0-9]+(?::[0-9]+)?)\/$/;

/** The same in the clear, for a server on this very machine only. */
const LOOPBACK_URL =
  /^http:\/\/([a-zA-Z0-9]+):([a-zA-Z0-9]+)@((?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?)\/$/;

/** Reads an access url. Throws `usage`, without repeating any of it, for anything else. */
export function parseAccessUrl(url: string): AccessUrl {
  const match = ACCESS_URL.exec(url) ?? LOOPBACK_URL.exec(url);
  if (match === null) throw refusal(url);
  const [, username, password, host] = match as unknown as [string, string, string, string];
  const origin = `${url.slice(0, url.indexOf(":"))}://${host}`;
  if (!URL.canParse(origin)) throw refusal(url);
  return { username, password, origin };
}

function refusal(url: string): RestbackupError {
  return new RestbackupError("usage", `The access url cannot be used: ${faultOf(url)}.`, {
    hint: "It looks like https://USERNAME:PASSWORD@HOST/ and is given when the account is made.",
  });
}

function faultOf(url: string): string {
  if (url !== url.trim()) return "it has white space around it";
  if (ACCESS_URL.test(`${url}/`) || LOOPBACK_URL.test(`${url}/`)) {
    return "it lacks the slash at its end";
  }
  if (/^http:/i.test(url)) return "it must begin with https:// (http:// is for this machine only)";
  if (!url.includes("@")) return "it has no username and password";
  return "it is not of the form https://USERNAME:PASSWORD@HOST/";
}
