import {
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { entryName, volumeName } from "../../src/naming.ts";
import { diskPath } from "../../src/stores/disk-name.ts";
import { requireProgram } from "../support/programs.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";

const browserIsThere = requireProgram("chromium", "the page works in a browser");
const ODD = `notes/<img src=x onerror=alert(1)> "quoted' \u202egpj.exe`;
const DAY = 86_400;

let server: TestServer;
let profile: string;
let browser: BrowserContext;
let page: Page;
/** What the browser complains about, and what it asks of others. */
let complaints: string[] = [];

beforeAll(async () => {
  if (!browserIsThere) return;
  server = await startServer();
  const now = Math.floor(Date.now() / 1000);
  const add = (name: string, age: number, size: number, content = "") => {
    const path = join(server.archives, ...diskPath(name));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    truncateSync(path, size);
    utimesSync(path, now - age, now - age);
  };
  const named = (name: string, age: number) => entryName(name, new Date((now - age) * 1000));
  for (let day = 0; day < 20; day++) {
    add(named("website", day * DAY + 7200), day * DAY + 7200, day === 0 ? 8 : 5e7, "content.");
  }
  const [whole, broken] = [named("photos", DAY), named("photos", 26 * DAY)];
  for (let i = 0; i < 5; i++) add(volumeName(whole, i, i === 4), DAY, i === 4 ? 2e8 : 2 ** 30);
  for (const i of [0, 1, 3]) add(volumeName(broken, i, false), 26 * DAY, 2 ** 30);
  add("data.20100523.tar.gz", 12 * DAY, 396_265);
  add(ODD, 3 * DAY, 812);

  profile = temporaryFolder("chromium");
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(),
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
  await browser.addInitScript({
    path: fileURLToPath(new URL("../support/page-probes.js", import.meta.url)),
  });
  page = await browser.newPage();
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.host !== new URL(server.url).host) {
      complaints.push(`request to ${url.host}`);
    }
    if (request.headers().referer !== undefined) complaints.push("a Referer was sent");
  });
});
afterEach(() => {
  complaints = [];
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (profile !== undefined) await rm(profile, { recursive: true, force: true });
});

/** The program, wherever the PATH has it. */
function chromiumPath(): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path))!;
}

async function makeSession(of: TestServer = server): Promise<string> {
  const reply = await fetch(of.url, {
    method: "POST",
    headers: {
      authorization: `Basic ${btoa(`${of.username}:${of.password}`)}`,
      "x-http-method-override": "MAKESESSION",
    },
  });
  return reply.headers.get("location")!;
}

interface Focused {
  readonly tag: string;
  readonly text: string;
  readonly download: string | null;
  /** Pixels. */
  readonly outline: number;
  readonly inView: boolean;
}

/** Asks one of the probes, which know the page's elements. */
const probe = <T>(call: string) => page.evaluate<T>(`probes.${call}`);
const focused = () => probe<Focused>("focused()");
const openAll = () => probe("openAll()");

/** Goes on with Tab until the element that is wanted has the keyboard. */
async function tabTo(wanted: (element: Focused) => boolean) {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    const element = await focused();
    expect(element.outline, `${element.tag} ${element.text} shows its focus`).toBeGreaterThan(1);
    expect(element.inView, `${element.tag} ${element.text} is in view`).toBe(true);
    if (wanted(element)) return element;
  }
  throw new Error("The keyboard did not get there.");
}

describe.skipIf(!browserIsThere)("in Chromium, the page", () => {
  test("opens by the access url, without a complaint or a request to anybody else", async () => {
    await page.goto(server.accessUrl);
    expect(await page.title()).toBe(`Backups on ${new URL(server.url).host}`);
    expect(await page.getByRole("heading", { level: 2 }).allTextContents()).toEqual([
      "website",
      "photos",
      "data",
      "Other files",
      "How to get a backup back",
    ]);
    await page.goto(await makeSession());
    await page.locator("summary", { hasText: "12 older backups" }).click();
    expect(await page.locator("script").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("lets the keyboard alone walk to a download", async () => {
    await page.goto(await makeSession());
    await page.keyboard.press("Tab");
    expect(await focused()).toMatchObject({ text: "Skip to the backups", inView: true });
    await page.keyboard.press("Enter");
    const link = await tabTo(({ download }) => download !== null);
    expect(link.text).toMatch(/^website-\d{8}T\d{6}Z\.tar\.zst\.age$/);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.keyboard.press("Enter"),
    ]);
    expect(download.suggestedFilename()).toBe(link.text);
    expect(readFileSync(await download.path(), "utf8")).toBe("content.");
    expect(complaints).toEqual([]);
  });

  test("opens a set of volumes by the keyboard, each a download by its whole name", async () => {
    await page.goto(await makeSession());
    await tabTo(({ text }) => text.startsWith("5 volumes"));
    await page.keyboard.press("Enter");
    const volume = await tabTo(({ download }) => download?.endsWith(".000") === true);
    expect(volume.text).toMatch(/^photos-\d{8}T\d{6}Z\.tar\.zst\.age\.000 1\.0 GiB$/);
    const links = page.locator("details[open] .volumes a");
    expect(await links.count()).toBe(5);
    expect(await page.getByText("Volume 002 is not there.").isVisible()).toBe(true);
    expect(await page.locator("details[open] pre").textContent()).toMatch(
      /^cat photos-.*\.age\.\* > /,
    );
  });

  test("ends its session by the button, and says that it is over from then on", async () => {
    const url = await makeSession();
    await page.goto(url);
    await tabTo(({ tag }) => tag === "BUTTON");
    expect(complaints).toEqual([]);
    await Promise.all([page.waitForURL(url), page.keyboard.press("Enter")]);
    await page.getByRole("heading", { name: "This session is over" }).waitFor();
    expect(page.url()).toBe(url);
    const reply = await page.goto(url);
    expect(reply?.status()).toBe(410);
    // The browser itself notes the status; nothing breaks the policy.
    expect(complaints.filter((text) => !/status of 410/.test(text))).toEqual([]);
  });

  test("shows names as text, whatever they hold", async () => {
    await page.goto(await makeSession());
    expect(await page.locator("img").count()).toBe(0);
    const link = page.locator("a[download]", { hasText: "onerror" });
    expect(await link.textContent()).toBe(ODD.replace("\u202e", "\\u{202e}"));
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    expect((await download.path()).length).toBeGreaterThan(0);
    expect(download.suggestedFilename()).not.toContain("\u202e");
    expect(complaints).toEqual([]);
  });

  test("fits a phone 320 pixels wide, all volumes open, and gives each table's cells their roles", async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    await page.goto(await makeSession());
    await openAll();
    const wide = await probe<number>("width()");
    expect(wide).toBeLessThanOrEqual(320);
    const low = await probe<string[]>("targetsBelow(24)");
    expect(low, "targets lower than 24 pixels").toEqual([]);
    const phone = await rolesSeen();
    await page.setViewportSize({ width: 1200, height: 900 });
    await page.goto(await makeSession());
    await openAll();
    const desk = await rolesSeen();
    // Four groups, and the older ones of "website" in a table of their own.
    expect(desk).toEqual({ table: 5, columnheader: 20, rowheader: 24, cell: 72, row: 29 });
    expect(phone).toEqual(desk);
  });

  test("has landmarks, headings in order, captions, headers and names for those who listen", async () => {
    await page.goto(await makeSession());
    await openAll();
    for (const role of ["banner", "main", "contentinfo"] as const) {
      expect(await page.getByRole(role).count(), role).toBe(1);
    }
    expect(await page.getByRole("navigation", { name: "Names" }).count()).toBe(1);
    expect(await page.getByRole("region", { name: "website" }).count()).toBe(1);
    expect(await probe<string[]>("faults()")).toEqual([]);
  });

  test.each(["light", "dark"] as const)(
    "has contrast enough for small text: %s",
    async (scheme) => {
      await page.emulateMedia({ colorScheme: scheme });
      const url = await makeSession();
      const lows: string[] = [];
      for (const address of [url, `${server.url}session/never/`]) {
        await page.goto(address);
        await openAll();
        lows.push(...(await probe<string[]>("lowContrasts()")));
      }
      expect(lows).toEqual([]);
      const paper = await probe<string>("paper()");
      const brightness = Number(/\d+/.exec(paper)![0]);
      expect(scheme === "dark" ? brightness < 60 : brightness > 200).toBe(true);
      await page.emulateMedia({ colorScheme: null });
    },
  );

  test("keeps still for those who want that", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.goto(await makeSession());
    expect(await probe<number>("moving()")).toBe(0);
    await page.emulateMedia({ reducedMotion: null });
  });
});

/** How many of each role the browser tells assistive programs of. */
async function rolesSeen(): Promise<Record<string, number>> {
  const session = await browser.newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const roles = ["table", "row", "columnheader", "rowheader", "cell"];
  const seen = nodes.flatMap(({ role }) => role?.value ?? []) as string[];
  return Object.fromEntries(
    roles.map((role) => [role, seen.filter((other) => other === role).length]),
  );
}
