import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DirectoryStore, openDirectoryStore } from "../../src/stores/directory.ts";
import { temporaryFolder } from "../support/server.ts";
import { contentOf, namesIn, randomContent, readAll } from "./content.ts";

let root: string;
let store: DirectoryStore;
const now = 1_795_000_000;

beforeEach(async () => {
  root = temporaryFolder("directory");
  store = await openDirectoryStore(root, { create: true, clock: () => now * 1000 + 789 });
});
afterEach(async () => await rm(root, { recursive: true, force: true }));

const spooled = () => readdirSync(store.spool);

describe("a directory store", () => {
  test("gives back what was put, whole and in parts, with size, time and digest", async () => {
    const content = randomContent(1_500_001);
    const object = await store.put("site/a", content);
    expect(object).toEqual({
      name: "site/a",
      size: 1_500_001,
      createtime: now,
      sha256: content.sha256,
    });
    expect(await store.stat("site/a")).toEqual(object);
    expect((await readAll(store.get("site/a"))).equals(content.bytes)).toBe(true);
    const part = await readAll(store.get("site/a", { start: 7, end: 1_400_000 }));
    expect(part.equals(content.bytes.subarray(7, 1_400_000))).toBe(true);
    expect(spooled()).toEqual([]);
  });

  test("an object that is held open is read whole, in any part, though its name is gone", async () => {
    const content = randomContent(5_000_003);
    const put = await store.put("site/a", content);
    using opened = await store.open("site/a");
    expect(opened?.object).toEqual(put);
    await rm(join(root, "site.d", "a"));
    expect(await store.open("site/a")).toBeUndefined();
    // More at once than there are buffers for: none may get another one's bytes.
    const starts = Array.from({ length: 40 }, (_, index) => index * 100_001);
    await Promise.all(
      starts.map(async (start, index) => {
        const end = index % 3 === 0 ? content.size : start + 99_999 * (index % 7);
        const pieces: Buffer[] = [];
        for await (const piece of opened!.read({ start, end })) {
          await setImmediate();
          pieces.push(Buffer.from(piece));
        }
        expect(Buffer.concat(pieces).equals(content.bytes.subarray(start, end))).toBe(true);
      }),
    );
  });

  test("a file that is cut short while it is held open is told of", async () => {
    await store.put("a", randomContent(100_000));
    using opened = await store.open("a");
    truncateSync(join(root, "a"), 50_000);
    const reading = readAll(opened!.read({ start: 0, end: 100_000 }));
    await expect(reading).rejects.toMatchObject({ code: "damaged" });
  });

  test("links, pipes and folders in an object's place are none", async () => {
    await store.put("a", contentOf("a"));
    symlinkSync(join(root, "a"), join(root, "link"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    mkdirSync(join(root, "folder"));
    for (const name of ["link", "pipe", "folder", "a/b", "missing"]) {
      expect(await store.open(name)).toBeUndefined();
    }
  });

  test("keeps an object as an ordinary file under its own name", async () => {
    await store.put("site-20261123T094012Z.tar.zst.age", contentOf("hello"));
    expect(readFileSync(join(root, "site-20261123T094012Z.tar.zst.age"), "utf8")).toBe("hello");
    expect(statSync(join(root, "site-20261123T094012Z.tar.zst.age")).mtimeMs).toBe(now * 1000);
  });

  test("lists awkward names side by side, and is read the same by a new process", async () => {
    const names = [
      "a",
      "a/b",
      "a.d",
      "a.d/b",
      ".restbackup",
      ".restbackup/version.json",
      "%",
      `${"é".repeat(127)}%`,
      `${"x".repeat(254)}/y`,
      "ü",
      "u\u0308",
    ].sort();
    for (const name of names) await store.put(name, contentOf(name));
    const again = await openDirectoryStore(root);
    expect(await namesIn(again)).toEqual(names);
    for (const name of names) expect((await readAll(again.get(name))).toString()).toBe(name);
  });

  test("takes equal content again for success, and refuses other content under a taken name", async () => {
    const first = await store.put("a", contentOf("one"));
    expect(await store.put("a", contentOf("one"))).toEqual(first);
    await expect(store.put("a", contentOf("two"))).rejects.toMatchObject({ code: "name-taken" });
    await expect(store.create("a", contentOf("one"))).rejects.toMatchObject({ code: "name-taken" });
    expect((await readAll(store.get("a"))).toString()).toBe("one");
    expect(spooled()).toEqual([]);
  });

  test("refuses content that is shorter, longer or other than announced, and leaves nothing", async () => {
    const good = contentOf("hello");
    for (const bad of [
      { ...good, open: () => Readable.from([Buffer.from("hell")]) },
      { ...good, open: () => Readable.from([Buffer.from("hello!")]) },
      { ...good, open: () => Readable.from([Buffer.from("hallo")]) },
    ]) {
      await expect(store.put("a", bad)).rejects.toMatchObject({ code: "store-refused" });
      expect(await store.stat("a")).toBeUndefined();
      expect(spooled()).toEqual([]);
    }
    await store.put("a", good);
  });

  test("leaves nothing when the content's stream breaks or the caller aborts", async () => {
    const broken = Readable.from(
      (function* () {
        yield Buffer.from("he");
        throw new Error("broken");
      })(),
    );
    await expect(
      store.put("a", { ...contentOf("hello"), open: () => broken }),
    ).rejects.toMatchObject({ code: "io" });
    const abort = new AbortController();
    const put = store.put("a", randomContent(3_000_000), {
      signal: abort.signal,
      onBytes: () => abort.abort(),
    });
    await expect(put).rejects.toMatchObject({ code: "aborted" });
    expect(await namesIn(store)).toEqual([]);
    expect(spooled()).toEqual([]);
  });

  test("takes a file in its spool folder over without copying it", async () => {
    const file = join(store.spool, "prepared");
    const content = randomContent(100_000);
    writeFileSync(file, content.bytes);
    const { ino } = statSync(file);
    await store.put("a", {
      ...content,
      file,
      open: () => {
        throw new Error("was read");
      },
    });
    expect(statSync(join(root, "a")).ino).toBe(ino);
    expect(statSync(join(root, "a")).nlink).toBe(1);
    expect(spooled()).toEqual([]);
  });

  test("does not take over a file that is not of the announced size", async () => {
    const file = join(store.spool, "prepared");
    writeFileSync(file, "short");
    await expect(store.put("a", { ...contentOf("longer"), file })).rejects.toMatchObject({
      code: "store-refused",
    });
    expect(await store.stat("a")).toBeUndefined();
    expect(spooled()).toEqual(["prepared"]);
  });

  test("of 200 puts to one name at once exactly one wins", async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => store.create("a", contentOf(`content ${index}`))),
    );
    const winners = results.flatMap((result, index) =>
      result.status === "fulfilled" ? [index] : [],
    );
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "name-taken" });
    }
    expect((await readAll(store.get("a"))).toString()).toBe(`content ${winners[0]}`);
    expect(await store.stat("a")).toMatchObject({
      sha256: contentOf(`content ${winners[0]}`).sha256,
    });
    expect(spooled()).toEqual([]);
  });

  test("a file copied in by hand is an object: digested once, as old as the file", async () => {
    writeFileSync(join(root, "copied"), "hello");
    utimesSync(join(root, "copied"), 1_600_000_000, 1_600_000_000);
    const expected = {
      name: "copied",
      size: 5,
      createtime: 1_600_000_000,
      sha256: contentOf("hello").sha256,
    };
    expect(await store.stat("copied")).toEqual(expected);
    const record = join(root, ".restbackup", "meta", "copied");
    expect(JSON.parse(readFileSync(record, "utf8"))).toEqual(expected);
    // Proof that the record is used from now on: bytes changed behind a file's time go unseen here,
    // which is for whoever reads them to notice.
    writeFileSync(join(root, "copied"), "hallo");
    utimesSync(join(root, "copied"), 1_600_000_000, 1_600_000_000);
    expect(await store.stat("copied")).toEqual(expected);
    writeFileSync(join(root, "copied"), "other");
    expect(await store.stat("copied")).toMatchObject({ sha256: contentOf("other").sha256 });
  });

  test("passes over what is no object", async () => {
    await store.put("a", contentOf("a"));
    mkdirSync(join(root, "folder"));
    writeFileSync(join(root, "folder", "file"), "");
    writeFileSync(join(root, "escape%2egone"), "");
    symlinkSync("a", join(root, "link"));
    symlinkSync("/", join(root, "everything.d"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), "");
    expect(await namesIn(store)).toEqual(["a"]);
    expect(await store.stat("link")).toBeUndefined();
    await expect(readAll(store.get("pipe"))).rejects.toMatchObject({ code: "not-found" });
  });

  test("says what is missing, and never ends a read early", async () => {
    await expect(readAll(store.get("a"))).rejects.toMatchObject({ code: "not-found" });
    await store.put("a", contentOf("hello"));
    await expect(readAll(store.get("a", { start: 0, end: 6 }))).rejects.toMatchObject({
      code: "damaged",
    });
    await expect(store.stat("../a")).rejects.toMatchObject({ code: "usage" });
  });

  test("opens nothing that is not there or not understood", async () => {
    await expect(openDirectoryStore(join(root, "missing"))).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(
      openDirectoryStore(join(root, ".restbackup", "version.json")),
    ).rejects.toMatchObject({ code: "usage" });
    writeFileSync(
      join(root, ".restbackup", "version.json"),
      '{"format":"restbackup directory store","version":2}',
    );
    await expect(openDirectoryStore(root)).rejects.toMatchObject({ code: "usage" });
  });

  test("is made with folders that only their owner can enter", async () => {
    const made = join(root, "new", "store");
    await openDirectoryStore(made, { create: true });
    for (const folder of [made, join(made, ".restbackup"), join(made, ".restbackup", "tmp")]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
    expect(JSON.parse(readFileSync(join(made, ".restbackup", "version.json"), "utf8"))).toEqual({
      format: "restbackup directory store",
      version: 1,
    });
  });

  test.skipIf(process.getuid?.() === 0 && !canDropRights())(
    "a store on a read-only medium can be read",
    async () => {
      writeFileSync(join(root, "copied"), "hello");
      chmodSync(root, 0o755);
      // Another user may read, and write nothing.
      for (const folder of [".restbackup", ".restbackup/tmp", ".restbackup/meta"])
        chmodSync(join(root, folder), 0o755);
      chmodSync(join(root, ".restbackup/version.json"), 0o644);
      const script = `
      const { openDirectoryStore } = await import(${JSON.stringify(new URL("../../src/stores/directory.ts", import.meta.url).href)});
      process.setgid?.(65534); process.setuid?.(65534);
      const store = await openDirectoryStore(${JSON.stringify(root)});
      console.log((await store.stat("copied")).sha256);`;
      const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        encoding: "utf8",
      });
      expect(output.trim()).toBe(contentOf("hello").sha256);
    },
  );
});

function canDropRights(): boolean {
  return process.platform === "linux";
}
