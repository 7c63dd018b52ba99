import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { parseAccessUrl } from "../../src/stores/access-url.ts";
import { openStore } from "../../src/stores/open.ts";
import { VERSION } from "../../src/version.ts";
import { temporaryFolder } from "../support/server.ts";

const password = "s3cretPassw0rd";

async function failure(url: string): Promise<Error & { code: string; hint: string }> {
  return (await openStore(url, { create: false }).then(
    () => expect.fail("was opened"),
    (error: unknown) => error,
  )) as Error & { code: string; hint: string };
}

describe("a store's url", () => {
  test("https:// is a Backup API server, described without its credentials", async () => {
    const store = await openStore(`https://user1:${password}@Backup.example:8443/`);
    expect(store.description).toBe("https://Backup.example:8443/");
    expect(store.ranges).toBe(true);
    await store.close();
  });

  test("file:/// is a folder, escapes and all", async () => {
    const root = temporaryFolder("a b%");
    const store = await openStore(pathToFileURL(root).href, { create: true });
    expect(store.description).toBe(pathToFileURL(root).href);
    await store.close();
    await rm(root, { recursive: true });
  });

  test.each([
    [`https://user1:${password}@host`, "lacks the slash at its end"],
    [`http://user1:${password}@host/`, "must begin with https://"],
    ["https://host/", "no username and password"],
    [`https://user-1:${password}@host/`, "not of the form"],
    [`https://user1:${password}@host/path/`, "not of the form"],
    [` https://user1:${password}@host/`, "not a url"],
    [`https://user1:${password}@host:99999/`, "not of the form"],
    [`https://user1:${password}@host/ `, "white space"],
    [`ftp://user1:${password}@host/`, "no kind of store"],
    [`s3://${password}@bucket/prefix`, "not built yet"],
    ["github-release://owner/repo", "not built yet"],
    ["/mnt/backups", "not a url"],
    ["backups", "not a url"],
    ["", "not a url"],
    ["file:relative", "names no folder"],
    ["file://elsewhere/path", "names no folder"],
    [`file:///path?x=${password}`, "names no folder"],
  ])("%j is refused: %s", async (url, words) => {
    const error = await failure(url);
    expect(error.code).toBe("usage");
    expect(error.message).toContain(words);
    expect(error.hint).toMatch(/(?:https|file):\/\//);
    for (const text of [error.message, error.hint, error.stack ?? ""]) {
      expect(text).not.toContain(password);
      expect(text).not.toContain("user1");
    }
  });

  test("a plain path is answered with how to write it", async () => {
    expect((await failure("/mnt/backups")).hint).toContain("file://");
  });

  test.each(["localhost:8080", "127.0.0.1", "[::1]:1"])("http:// is fine on %s", (host) => {
    expect(parseAccessUrl(`http://u:p@${host}/`)).toEqual({
      username: "u",
      password: "p",
      origin: `http://${host}`,
    });
  });

  test("a folder that is not there is made for writing only", async () => {
    const root = temporaryFolder("missing");
    await rm(root, { recursive: true });
    expect((await failure(pathToFileURL(root).href)).code).toBe("not-found");
  });

  test("clients call themselves by the package's version", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(VERSION).toBe(version);
  });
});
