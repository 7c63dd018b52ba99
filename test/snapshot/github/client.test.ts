import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Github, type GithubOptions } from "../../../src/snapshot/github/client.ts";
import { createDispatcher } from "../../../src/stores/dispatcher.ts";
import type { FakeRepository } from "./fake-github/repository.ts";
import { FakeGithub } from "./fake-github/server.ts";

const TOKEN = "ghs_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345";
const PATH = "/repos/octo/website";

describe("the client of GitHub's API", () => {
  let fake: FakeGithub;
  let repository: FakeRepository;
  beforeAll(async () => {
    fake = await FakeGithub.start(TOKEN);
  });
  afterAll(() => fake.close());
  beforeEach(() => {
    repository = fake.create("octo/website");
    fake.relent();
    fake.requests.length = 0;
    fake.limit = { remaining: 1000, reset: 0 };
  });

  const client = (options: Partial<GithubOptions> = {}) =>
    new Github({
      apiUrl: fake.url,
      graphqlUrl: `${fake.url}/graphql`,
      token: TOKEN,
      dispatcherFor: (origin) => createDispatcher(origin, {}),
      maxWait: 100,
      second: 1,
      ...options,
    });

  async function names(github: Github): Promise<unknown[]> {
    const found = [];
    for await (const { name } of github.items(`${PATH}/labels`)) found.push(name);
    return found;
  }

  test("reads a list of many pages whole and in order", async () => {
    const labels = Array.from({ length: 250 }, (_, index) => `label ${index}`);
    for (const name of labels) repository.addLabel({ name, color: "ededed" });
    expect(await names(client())).toEqual(labels);
    expect(fake.requests).toHaveLength(3);
    expect(fake.violations).toEqual([]);
  });

  test("asks again after a server's failures", async () => {
    fake.refuse(/labels/, 502, { times: 2 });
    expect(await names(client())).toEqual([]);
    expect(fake.requests).toHaveLength(3);
  });

  test("gives up when a server goes on failing, and says how", async () => {
    fake.refuse(/labels/, 502, { message: "Server Error" });
    await expect(names(client())).rejects.toMatchObject({
      code: "store-unreachable",
      message: "GitHub answered 502: Server Error.",
    });
    expect(fake.requests).toHaveLength(4);
  });

  test("asks once for what is refused", async () => {
    for (const status of [403, 404, 410, 422]) {
      fake.relent();
      fake.requests.length = 0;
      fake.refuse(/labels/, status);
      await expect(names(client())).rejects.toMatchObject({ status });
      expect(fake.requests).toHaveLength(1);
    }
  });

  test("waits as long as a secondary limit says", async () => {
    const message = "You have exceeded a secondary rate limit.";
    fake.refuse(/labels/, 403, { message, times: 2, headers: { "retry-after": "40" } });
    const waits: string[] = [];
    expect(await names(client({ onWait: (words) => waits.push(words) }))).toEqual([]);
    expect(waits).toEqual(Array(2).fill("GitHub's rate limit is used up: waiting 40 s"));
  });

  test("does not wait longer in all than was allowed, and asks no more then", async () => {
    const message = "You have exceeded a secondary rate limit.";
    fake.refuse(/labels/, 403, { message, headers: { "retry-after": "40" } });
    const github = client();
    await expect(names(github)).rejects.toMatchObject({ status: 429 });
    await expect(names(github)).rejects.toThrow("longer than was allowed");
    expect(fake.requests).toHaveLength(3);
  });

  test("waits for the hour's limit to be over", async () => {
    fake.limit = { remaining: 0, reset: Math.floor(Date.now() / 1000) + 2 };
    const waits: string[] = [];
    const github = client({ second: 1000, onWait: (words) => waits.push(words) });
    expect(await names(github)).toEqual([]);
    expect(waits).toHaveLength(1);
  });

  test("stops waiting when it is told to", async () => {
    fake.limit = { remaining: 0, reset: Math.floor(Date.now() / 1000) + 50 };
    const stop = new AbortController();
    const github = client({ second: 1000, signal: stop.signal, onWait: () => stop.abort() });
    const begun = Date.now();
    await expect(names(github)).rejects.toThrow();
    expect(Date.now() - begun).toBeLessThan(5000);
  });

  test("sends nothing twice that may have been done", async () => {
    fake.refuse(/^POST/, 502);
    const creating = client().change("POST", `${PATH}/issues`, { title: "Once" });
    await expect(creating).rejects.toMatchObject({ status: 502 });
    expect(fake.requests).toHaveLength(1);
  });

  test("a failure does not show the token, even where a server sends it back", async () => {
    fake.refuse(/labels/, 403, { message: `what is ${TOKEN}?` });
    await expect(names(client())).rejects.toThrow("GitHub answered 403: what is ***?");
  });

  test("a server that is not there is told in words", async () => {
    const github = client({ apiUrl: "http://127.0.0.1:1" });
    await expect(github.get(PATH)).rejects.toThrow(/^GitHub could not be reached: .*ECONNREFUSED/);
  });
});

test("the fake finds requests and answers that GitHub would not give", async () => {
  const fake = await FakeGithub.start(TOKEN);
  const repository = fake.create("octo/website");
  const ask = (path: string) =>
    fetch(`${fake.url}${path}`, { headers: { authorization: `token ${TOKEN}` } });
  expect((await ask(`${PATH}/labels?per_page=10`)).status).toBe(200);
  expect((await ask(`${PATH}/labels?colour=red`)).status).toBe(500);
  expect((await ask(`${PATH}/lables`)).status).toBe(500);
  repository.addLabel({ name: "bug", color: 7 });
  expect((await ask(`${PATH}/labels`)).status).toBe(500);
  expect(fake.violations).toEqual([
    expect.stringContaining("there is no parameter colour"),
    expect.stringContaining("no route"),
    expect.stringContaining("color is 7, not of type string"),
  ]);
  await fake.close();
});
