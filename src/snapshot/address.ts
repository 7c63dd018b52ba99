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

/** Where GitHub is, and its APIs. */
export interface GithubAddresses {
  readonly serverUrl: string;
  readonly apiUrl: string;
  readonly graphqlUrl: string;
}

/**
 * The addresses a workflow's context gives: GITHUB_SERVER_URL, GITHUB_API_URL, GITHUB_GRAPHQL_URL,
 * of GitHub Enterprise Server too. Those of the APIs follow from the server's where they are not
 * given, as GitHub documents them. Throws `usage`.
 */
export function githubAddresses(
  env: Readonly<Record<string, string | undefined>>,
): GithubAddresses {
  const serverUrl = parseServerUrl(
    env.GITHUB_SERVER_URL || "https://github.com",
    "GITHUB_SERVER_URL",
  );
  const { apiUrl, graphqlUrl } = apisOf(new URL(serverUrl));
  return {
    serverUrl,
    apiUrl: parseServerUrl(env.GITHUB_API_URL || apiUrl, "GITHUB_API_URL"),
    graphqlUrl: parseServerUrl(env.GITHUB_GRAPHQL_URL || graphqlUrl, "GITHUB_GRAPHQL_URL"),
  };
}

function apisOf({ host, origin, protocol }: URL): { apiUrl: string; graphqlUrl: string } {
  // On github.com, and on GHE.com where data is kept in a region, the APIs have a host of their own.
  if (host === "github.com" || host.endsWith(".ghe.com")) {
    const apiUrl = `${protocol}//api.${host}`;
    return { apiUrl, graphqlUrl: `${apiUrl}/graphql` };
  }
  return { apiUrl: `${origin}/api/v3`, graphqlUrl: `${origin}/api/graphql` };
}
