import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { entryName } from "../../src/naming.ts";
import { backupsPage } from "../../src/server/page-backups.ts";
import { nameHtml } from "../../src/server/page-text.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";

const run = promisify(execFile);
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const get = (path: string, headers: Record<string, string> = {}, of = server) =>
  fetch(of.url + path, {
    headers: {
      accept: BROWSER,
      authorization: `Basic ${btoa(`${of.username}:${of.password}`)}`,
      ...headers,
    },
  });
const put = async (name: string, body: string | Buffer, of = server) => {
  const reply = await fetch(of.url + name, {
    method: "PUT",
    headers: { authorization: `Basic ${btoa(`${of.username}:${of.password}`)}` },
    body: new Uint8Array(Buffer.from(body)),
  });
  expect(reply.status).toBe(201);
};

/** The commands that a page gives, as a person copies them. */
function commandsIn(html: string): string[] {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return [...html.matchAll(/<pre><code>([\s\S]*?)<\/code><\/pre>/g)].map(([, text]) =>
    text!.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!),
  );
}

describe("the page", () => {
  test("carries what keeps it to itself: a policy that allows its own style and nothing else", async () => {
    const reply = await get("");
    const html = await reply.text();
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)![1]!;
    const hash = createHash("sha256").update(style).digest("base64");
    expect(reply.headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-length": String(Buffer.byteLength(html)),
      "cache-control": "no-store, private",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      vary: "Accept",
    });
    expect(html).not.toMatch(/<script|\son\w+=|javascript:|<iframe|\sstyle=/i);
  });

  test("is what HEAD tells of, and the listing says that it varies too", async () => {
    const whole = await get("");
    const head = await fetch(server.url, {
      method: "HEAD",
      headers: {
        accept: BROWSER,
        authorization: `Basic ${btoa(`${server.username}:${server.password}`)}`,
      },
    });
    expect(await head.text()).toBe("");
    for (const field of ["content-type", "content-length", "content-security-policy"]) {
      expect(head.headers.get(field)).toBe(whole.headers.get(field));
    }
    const listing = await get("", { accept: "*/*" });
    expect(listing.headers.get("content-type")).toBe("application/json");
    expect(listing.headers.get("vary")).toBe("Accept");
  });

  test("says how to begin when there is nothing, with commands that work", async (context) => {
    if (!requireProgram("curl", "the empty page's commands make a first backup")) context.skip();
    const empty = await startServer();
    const html = await (await get("", {}, empty)).text();
    expect(html).toContain("There are no backups yet.");
    expect(html).not.toContain(empty.password);
    const [ours, plain] = commandsIn(html);
    expect(ours).toContain(`=${empty.accessUrl.replace(empty.password, "PASSWORD")}\n`);
    const work = temporaryFolder("first");
    mkdirSync(join(work, "website"));
    const script = plain!.replace(empty.username, `${empty.username}:${empty.password}`);
    const { stdout } = await run("bash", ["-ec", script], { cwd: work });
    expect(stdout).toBe("Stored /website.tar.gz\n");
    const cli = new URL("../../src/cli/main.ts", import.meta.url).pathname;
    const steps = ours!
      .replace("PASSWORD", empty.password)
      .replaceAll(/^restbackup/gm, `'${process.execPath}' '${cli}'`)
      .replace("~/website", "./website");
    await run("bash", ["-ec", steps], { cwd: work });
    const after = await (await get("", {}, empty)).text();
    expect(after).toMatch(/website-\d{8}T\d{6}Z\.tar\.zst\.age/);
    await empty.close();
    rmSync(work, { recursive: true });
  });

  test("says how to get a backup back, with commands that work", async (context) => {
    for (const program of ["age", "zstd", "tar", "curl"]) {
      if (!requireProgram(program, "the page's commands bring a backup back")) context.skip();
    }
    const own = await startServer();
    const work = temporaryFolder("get-back");
    // Not waited for synchronously: the server that curl asks lives in this process.
    const bash = (script: string, folder = work) =>
      run("bash", ["-e", "-o", "pipefail", "-c", script], { cwd: folder, timeout: 30_000 });
    await bash(`
      mkdir tree && head -c 300000 /dev/urandom > tree/data && age-keygen -o key.txt 2> key.log
      tar c tree | zstd -q | age -r "$(age-keygen -y key.txt)" > archive
      split -b 100000 -d -a 3 archive part.
      tar czf plain.tar.gz tree`);
    const whole = entryName("it's odd", new Date("2026-11-23T09:40:12Z"));
    const inVolumes = entryName("-photos", new Date("2026-11-24T09:40:12Z"));
    const read = (file: string) => readFileSync(join(work, file));
    const restores = async (command: string, files: Record<string, Buffer>) => {
      const folder = temporaryFolder("restored");
      for (const [name, content] of Object.entries({ ...files, "key.txt": read("key.txt") })) {
        writeFileSync(join(folder, name), content);
      }
      await bash(command, folder);
      expect(readFileSync(join(folder, "tree/data")).equals(read("tree/data"))).toBe(true);
      rmSync(folder, { recursive: true });
    };

    await put(encodeURIComponent(whole), read("archive"), own);
    await put("home.20100523.tar.gz", read("plain.tar.gz"), own);
    const [local, direct, plain] = commandsIn(await (await get("", {}, own)).text());
    await restores(local!, { [whole]: read("archive") });
    await restores(direct!.replace(own.username, `${own.username}:${own.password}`), {});
    await restores(plain!, { "home.20100523.tar.gz": read("plain.tar.gz") });

    const volumes: Record<string, Buffer> = {};
    const parts = ["part.000", "part.001", "part.002", "part.003"];
    for (const [index, part] of parts.entries()) {
      const name = `${inVolumes}.00${index}${index === parts.length - 1 ? ".last" : ""}`;
      volumes[name] = read(part);
      await new Promise((resolve) => setTimeout(resolve, index === 0 ? 1100 : 0));
      await put(name, volumes[name], own);
    }
    const [join_, restore] = commandsIn(await (await get("", {}, own)).text());
    await restores(restore!, volumes);
    await restores(`${join_}\nage -d -i key.txt ./${inVolumes} | zstd -d | tar x`, volumes);
    await own.close();
    rmSync(work, { recursive: true });
  });

  test("leads to the older ones, and refuses addresses that it did not give", async () => {
    await put("older.txt", "x");
    const listing = (await (await get("", { accept: "*/*" })).json()) as {
      name: string;
      createtime: number;
    }[];
    const { createtime } = listing.find(({ name }) => name === "/older.txt")!;
    const page = await get(`?before=${createtime + 1}/x`);
    expect(await page.text()).toContain('href="./older.txt"');
    const end = await get(`?before=${createtime}/older.txt`);
    expect(await end.text()).not.toContain('href="./older.txt"');
    for (const query of ["?before=", "?before=x/y", "?before=99999999999999999999/x"]) {
      expect((await get(query)).status).toBe(400);
    }
  });
});

describe("a refusal", () => {
  test.each([
    ["no credentials", "", { authorization: "" }, 401, "Username and password needed"],
    ["a file that is not there", "missing", {}, 404, "Nothing here"],
    ["a session that never was", "session/x/", {}, 404, "Nothing here"],
    ["a name that is none", "a//b", {}, 400, "Bad Request"],
  ])("is a page for browsers: %s", async (_, path, headers, status, heading) => {
    const reply = await get(path, headers);
    const html = await reply.text();
    expect(reply.status).toBe(status);
    expect(reply.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(reply.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src/);
    expect(html).toContain(`<h1>${heading}</h1>`);
    if (status === 401) expect(reply.headers.get("www-authenticate")).toMatch(/^Basic realm=/);
    const plain = await get(path, { ...headers, accept: "*/*" });
    expect(plain.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  });

  test("repeats nothing of the request as markup", async () => {
    const reply = await get("%3Cscript%3Ealert(1)%3C/script%3E%0a");
    expect(reply.status).toBe(400);
    expect(await reply.text()).not.toContain("<script");
  });
});

describe("names", () => {
  test("of any kind are text on the page, and all of them can be seen", () => {
    const textOf = (html: string) =>
      html
        .replaceAll(/&lt;/g, "<")
        .replaceAll(/&gt;/g, ">")
        .replaceAll(/&quot;/g, '"')
        .replaceAll(/&#39;/g, "'")
        .replaceAll(/&amp;/g, "&");
    const odd = fc.constantFrom(
      ..."<>&\"'\u202e\u200b\u2066\u00a0\u0007\u2028\u061c\ufeff\ud800a/",
    );
    const name = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(odd).map((characters) => characters.join("")),
    );
    fc.assert(
      fc.property(name, (text) => {
        const html = nameHtml(text);
        const inner = /^<bdi class="name">([\s\S]*)<\/bdi>$/.exec(html)![1]!;
        let shown = "";
        const rest = inner.replaceAll(
          /<span class="unseen">\\u\{([0-9a-f]+)\}<\/span>|([^<]+)/g,
          (_, code: string | undefined, plain: string | undefined) => {
            if (code !== undefined) shown += String.fromCodePoint(Number.parseInt(code, 16));
            else {
              expect(plain).not.toMatch(/["'>]|&(?!(?:amp|lt|gt|quot|#39);)/);
              expect(plain).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\u00a0]/u);
              shown += textOf(plain!);
            }
            return "";
          },
        );
        expect(rest).toBe("");
        expect(shown).toBe(text);
      }),
    );
  });

  test("make no page too large: a thousand of the longest and worst", () => {
    const backups = Array.from({ length: 1000 }, (_, index) => {
      const name = `${index}${"\u202e".repeat(340)}`;
      return {
        entry: name,
        name: undefined,
        createtime: 1000 - index,
        deletetime: 5000,
        size: 1,
        objects: [{ name, size: 1 }],
        complete: true,
      };
    });
    const html = backupsPage({
      content: { backups, next: { createtime: 1, entry: "x" }, files: 100_000, bytes: 1 },
      continued: false,
      origin: "https://backup.example",
      username: "user",
      retentionDays: 30,
      now: 2000,
    });
    expect(html.length).toBeLessThan(20e6);
    const common = backupsPage({
      content: {
        backups: backups.map((backup, index) => {
          const name = `website-${index}.txt`;
          return { ...backup, entry: name, objects: [{ name, size: 1 }] };
        }),
        next: undefined,
        files: 1000,
        bytes: 1,
      },
      continued: false,
      origin: "https://backup.example",
      username: "user",
      retentionDays: 30,
      now: 2000,
    });
    expect(common.length).toBeLessThan(1e6);
  });
});
