import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";

/** A repository on GitHub or a GitHub Enterprise Server. */
export interface RepositoryAddress {
  readonly owner: string;
  readonly repo: string;
}

/** Reads OWNER/REPO. Throws `usage`. */
export function parseRepository(text: string): RepositoryAddress {
  const match = /^(?<owner>[\w.-]+)\/(?<repo>[\w.-]+)$/.exec(text.trim());
  const { owner = "", repo = "" } = match?.groups ?? {};
  const dots = /^\.{1,2}$/;
  if (match !== null && !dots.test(owner) && !dots.test(repo) && !/\.git$/i.test(repo)) {
    return { owner, repo };
  }
  throw new RestbackupError("usage", `"${printable(text)}" is not OWNER/REPO.`, {
    hint: "Give the repository as in its address, for example octo-org/website.",
  });
}

/**
 * The address of a server without a slash at its end. Throws `usage` for what is no http(s) address,
 * and for one with credentials: they would stand in process lists.
 */
export function parseServerUrl(text: string, what: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new RestbackupError("usage", `The ${what} is not an address of a server.`, {
      hint: "It is like https://github.com, without a user name or password.",
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** Checks what is to be sent as a password. Throws `usage`, without showing it. */
export function checkToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RestbackupError(
    "usage",
    "The token is not one: it is empty, or holds spaces or other characters that no token has.",
  );
}
