import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRecipients } from "../../src/encryption/keys.ts";
import {
  generateSigningKey,
  parseSigningKey,
  parseTrustedSigners,
} from "../../src/encryption/signing.ts";
import { backup } from "../../src/operations/backup.ts";
import { restore, verify } from "../../src/operations/restore.ts";
import { FILES, flipped, REFUSALS, refused, smallArchive } from "./spoil.ts";
import { contentsOf, newKey, newWorld, refusalOf, writeTree } from "./world.ts";

describe("a restore of a spoiled archive", () => {
  it("refuses every flipped byte, and leaves nothing behind", async () => {
    const { good, refusedWith, restored } = await smallArchive();
    for (let at = 0; at < good.length; at++) {
      expect(REFUSALS, `byte ${at}`).toContain(await refusedWith(flipped(good, at)));
    }
    // Shows that it was the flips that were refused.
    expect(await restored()).toMatchObject({ "a.txt": "alpha\n" });
  });

  it("refuses every truncation, and leaves nothing behind", async () => {
    const { good, refusedWith, restored } = await smallArchive();
    for (let length = 0; length < good.length; length++) {
      expect(["damaged", "wrong-key"], `${length} bytes`).toContain(
        await refusedWith(good.subarray(0, length)),
      );
    }
    expect(await restored()).toMatchObject({ "sub/empty": "" });
  });

  it("leaves old files as they were when it was to overwrite them", async () => {
    const { good, old, refusedWith } = await smallArchive();
    for (let at = 0; at < good.length; at += 23) {
      expect(REFUSALS, `byte ${at}`).toContain(await refusedWith(flipped(good, at), old));
      expect(REFUSALS, `${at} bytes`).toContain(await refusedWith(good.subarray(0, at), old));
    }
  });

  it("refuses what was appended", async () => {
    const { good, old, refusedWith } = await smallArchive();
    for (const more of [1, 16, 65_536 + 16]) {
      for (const to of [undefined, old]) {
        expect(await refusedWith(Buffer.concat([good, Buffer.alloc(more, 7)]), to)).toBe("damaged");
      }
    }
  });

  it("refuses damage that shows only halfway through a large archive", async () => {
    const world = await newWorld();
    const content = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`file-${index}`, randomBytes(700_000)]),
    );
    const { entry } = await world.backUp(content);
    const good = fs.readFileSync(world.file(entry));
    const old = writeTree(join(world.folder, "targets", "old"), { "file-0": "old\n" });
    for (const to of [join(world.folder, "targets", "new"), old]) {
      for (const part of [0.01, 0.3, 0.6, 0.9]) {
        fs.writeFileSync(world.file(entry), flipped(good, Math.floor(good.length * part)));
        expect(await refused({ store: world.store, key: world.key }, to)).toBe("damaged");
      }
    }
  });

  it("refuses volumes that were swapped, repeated, shortened or taken from another set", async () => {
    const world = await newWorld();
    const { store, key } = world;
    const paths = [writeTree(join(world.folder, "tree"), { big: randomBytes(2_500_000) })];
    const options = { store, key, name: "site", paths, cwd: world.folder, volumeSize: 2 ** 20 };
    const other = (await backup(options)).objects.map(({ name }) => world.file(name));
    const { entry, objects } = await backup(options);
    const files = objects.map(({ name }) => world.file(name));
    const [first, second, third] = files.map((file) => fs.readFileSync(file));
    const spoiled: [string, (Buffer | undefined)[]][] = [
      ["swapped", [second, first, third]],
      ["repeated", [first, first, third]],
      ["shortened", [first, second!.subarray(0, -1), third]],
      ["of another set", [first, fs.readFileSync(other[1]!), third]],
      ["emptied", [first, second, Buffer.alloc(0)]],
      ["flipped in the last", [first, second, flipped(third!, third!.length - 9)]],
    ];
    const old = writeTree(join(world.folder, "targets", "old"), { big: "old\n" });
    for (const [how, contents] of spoiled) {
      files.forEach((file, index) => void fs.writeFileSync(file, contents[index]!));
      for (const to of [old, join(world.folder, "targets", "new")]) {
        expect(REFUSALS, how).toContain(await refused({ store, key, entry }, to));
      }
    }
    files.forEach((file, index) => void fs.writeFileSync(file, [first!, second!, third!][index]!));
    expect(
      (await restore({ store, key, entry, to: join(world.folder, "back") })).totals.files,
    ).toBe(1);
  });

  it("is refused by verify too", async () => {
    const { good, store, key, entry, file } = await smallArchive();
    expect(await verify({ store, key })).toMatchObject({ authenticity: { by: "key" } });
    for (let at = 0; at < good.length; at += 31) {
      fs.writeFileSync(file(entry), flipped(good, at));
      expect(REFUSALS).toContain((await refusalOf(verify({ store, key }))).code);
    }
  });
});

describe("an archive that is not what it claims to be", () => {
  it("is unauthentic under another name than it was written for", async () => {
    const { store, key, entry, file, old, absent } = await smallArchive();
    const later = entry.replace(/-\d{8}T/, "-20990101T");
    fs.copyFileSync(file(entry), file(later));
    for (const to of [absent, old]) {
      expect(await refused({ store, key, entry: later }, to)).toBe("unauthentic");
    }
    // Nothing makes a swapped archive the right one.
    expect(await refused({ store, key, entry: later, allowUnauthenticated: true }, absent)).toBe(
      "unauthentic",
    );
  });

  it("is refused as of another key", async () => {
    const { store, entry, old, absent } = await smallArchive();
    const key = await newKey();
    for (const to of [absent, old]) {
      expect(await refused({ store, key, entry, allowUnauthenticated: true }, to)).toBe(
        "wrong-key",
      );
    }
  });

  it("is unauthentic when a stranger wrote it to our recipient, unless that is allowed", async () => {
    const { folder, store, key, absent } = await smallArchive();
    const recipients = await parseRecipients(key.recipients[0]!.text);
    const paths = [writeTree(join(folder, "strange"), { "a.txt": "strange\n" })];
    const { entry, authenticated } = await backup({
      store,
      recipients,
      name: "strange",
      paths,
      cwd: folder,
    });
    expect(authenticated).toEqual([]);
    expect(await refused({ store, key, entry }, absent)).toBe("unauthentic");
    const restored = await restore({ store, key, entry, to: absent, allowUnauthenticated: true });
    expect(restored.authenticity).toEqual({ by: "none" });
    expect(contentsOf(absent)).toEqual({ "a.txt": "strange\n" });
  });

  it("is unauthentic when a stranger authenticated it with a key of their own", async () => {
    const { folder, store, key, absent } = await smallArchive();
    const paths = [writeTree(join(folder, "strange"), { "a.txt": "strange\n" })];
    const { entry, authenticated } = await backup({
      store,
      key: await newKey(),
      recipients: key.recipients,
      name: "strange",
      paths,
      cwd: folder,
    });
    expect(authenticated).toEqual(["key"]);
    expect(await refused({ store, key, entry }, absent)).toBe("unauthentic");
  });

  it("is unauthentic signed by a stranger, and fine signed by a trusted signer", async () => {
    const { folder, store, key, absent, old } = await smallArchive();
    const signer = generateSigningKey();
    const { entry } = await backup({
      store,
      recipients: key.recipients,
      signingKey: parseSigningKey(signer.signingKey),
      name: "signed",
      paths: [writeTree(join(folder, "signed"), FILES)],
      cwd: folder,
    });
    const others = parseTrustedSigners(generateSigningKey().signer);
    expect(await refused({ store, key, entry }, absent)).toBe("unauthentic");
    expect(await refused({ store, key, entry, trustedSigners: others }, old)).toBe("unauthentic");

    const trustedSigners = [...others, ...parseTrustedSigners(signer.signer)];
    const { authenticity, to } = await restore({ store, key, entry, to: absent, trustedSigners });
    expect(authenticity).toEqual({ by: "signer", signer: signer.signer });
    expect(basename(to)).toBe("new");
    expect(contentsOf(absent)).toMatchObject(FILES);
  });
});
