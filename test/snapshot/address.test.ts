import fc from "fast-check";
import { expect, test } from "vitest";
import {
  checkToken,
  githubAddresses,
  parseRepository,
  parseServerUrl,
} from "../../src/snapshot/address.ts";

test("OWNER/REPO is read, and nothing that would lead elsewhere", () => {
  expect(parseRepository("octo-org/web.site_1")).toEqual({ owner: "octo-org", repo: "web.site_1" });
  for (const text of ["", "a", "a/", "/a", "a/b/c", "a/..", "../a", "a/b.git", "a/b?c", "a/b c"]) {
    expect(() => parseRepository(text)).toThrow("is not OWNER/REPO");
  }
  fc.assert(
    fc.property(fc.string(), fc.string(), (owner, repo) => {
      let read: ReturnType<typeof parseRepository>;
      try {
        read = parseRepository(`${owner}/${repo}`);
      } catch {
        return;
      }
      const url = new URL(`https://github.com/${read.owner}/${read.repo}.git`);
      expect(url.pathname).toBe(`/${read.owner}/${read.repo}.git`);
    }),
  );
});

test("addresses come from the context of a workflow", () => {
  expect(
    githubAddresses({
      GITHUB_SERVER_URL: "https://git.example.com/",
      GITHUB_API_URL: "https://api.git.example.com/v3/",
      GITHUB_GRAPHQL_URL: "https://api.git.example.com/graphql",
    }),
  ).toEqual({
    serverUrl: "https://git.example.com",
    apiUrl: "https://api.git.example.com/v3",
    graphqlUrl: "https://api.git.example.com/graphql",
  });
});

test("addresses that are not given follow from the server's", () => {
  expect(githubAddresses({})).toEqual({
    serverUrl: "https://github.com",
    apiUrl: "https://api.github.com",
    graphqlUrl: "https://api.github.com/graphql",
  });
  expect(githubAddresses({ GITHUB_SERVER_URL: "https://git.example.com:8443" })).toEqual({
    serverUrl: "https://git.example.com:8443",
    apiUrl: "https://git.example.com:8443/api/v3",
    graphqlUrl: "https://git.example.com:8443/api/graphql",
  });
  expect(githubAddresses({ GITHUB_SERVER_URL: "https://octo.ghe.com" })).toEqual({
    serverUrl: "https://octo.ghe.com",
    apiUrl: "https://api.octo.ghe.com",
    graphqlUrl: "https://api.octo.ghe.com/graphql",
  });
});

test("an address with credentials, or of no server, is refused without showing it", () => {
  for (const url of [
    "https://ada:hunter2@github.com",
    "ssh://github.com",
    "github.com",
    "file:///x",
  ]) {
    const refused = expect(() => parseServerUrl(url, "server's url"));
    refused.toThrow("The server's url is not an address of a server.");
  }
});

test("a token that could not be sent is refused without showing it", () => {
  expect(checkToken("ghs_abc")).toBe("ghs_abc");
  for (const token of ["", "a b", "a\nb", "tökén"]) {
    expect(() => checkToken(token)).toThrow(/^The token is not one: it is empty, or holds/);
  }
});
