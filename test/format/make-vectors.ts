import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { generateIdentity, parseKey, parseRecipients } from "../../src/encryption/keys.ts";
import { generateSigningKey, parseSigningKey } from "../../src/encryption/signing.ts";
import { backup } from "../../src/operations/backup.ts";
import { show } from "../../src/operations/restore.ts";
import { openStore } from "../../src/stores/open.ts";

/**
 * Makes the committed vectors anew; run by hand on Linux when the format gets a new version:
 *
 *     node test/format/make-vectors.ts
 *
 * The keys are made here, for nothing but this.
 */
const folder = fileURLToPath(new URL("../vectors/archive/", import.meta.url));
const work = fs.mkdtempSync(join(tmpdir(), "restbackup-vectors-"));
const tree = join(work, "tree");
fs.mkdirSync(join(tree, "folder", "empty"), { recursive: true });
fs.writeFileSync(join(tree, "empty"), "");
fs.writeFileSync(join(tree, "folder", "text"), "hello\n".repeat(200), { mode: 0o640 });
fs.writeFileSync(join(tree, "folder", "program"), "#!/bin/sh\n", { mode: 0o755 });
fs.writeFileSync(join(tree, "n\u00e4me"), "unicode\n");
fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/latin-`), Buffer.of(0xe9)]), "not UTF-8\n");
fs.writeFileSync(join(tree, "long".repeat(40)), "long name\n");
fs.symlinkSync("folder/text", join(tree, "link"));
fs.symlinkSync("nowhere", join(tree, "dangling"));
fs.linkSync(join(tree, "folder", "program"), join(tree, "hard link"));
fs.writeFileSync(join(tree, "sparse"), "");
fs.truncateSync(join(tree, "sparse"), 300_000);
fs.utimesSync(join(tree, "folder", "text"), 1_700_000_000.25, 1_700_000_000.25);
fs.utimesSync(join(tree, "empty"), 1_700_000_000, 1_700_000_000);
const noise = join(work, "noise");
fs.mkdirSync(noise);
fs.writeFileSync(join(noise, "random"), randomBytes(1_100_000));

fs.rmSync(folder, { recursive: true, force: true });
const store = await openStore(pathToFileURL(join(work, "store")).href, { create: true });
const classic = await generateIdentity();
const postQuantum = await generateIdentity({ postQuantum: true });
const signing = generateSigningKey();
const passphrase = "a passphrase for vectors only";
const recipients = await parseRecipients(classic.recipient);
const cases = [
  {
    name: "x25519",
    write: { key: await parseKey(classic.identity) },
    read: { identity: classic.identity },
    proof: "hmac",
  },
  {
    name: "post-quantum",
    write: { key: await parseKey(postQuantum.identity) },
    read: { identity: postQuantum.identity },
    proof: "hmac",
  },
  {
    name: "passphrase",
    write: { key: await parseKey(passphrase) },
    read: { passphrase },
    proof: "hmac",
  },
  {
    name: "signed",
    write: { recipients, signingKey: parseSigningKey(signing.signingKey) },
    read: { identity: classic.identity, signer: signing.signer },
    proof: "signature",
  },
  {
    name: "unauthenticated",
    write: { recipients },
    read: { identity: classic.identity },
    proof: "none",
  },
  {
    name: "volumes",
    write: { key: await parseKey(classic.identity), volumeSize: 2 ** 20 },
    read: { identity: classic.identity },
    proof: "hmac",
    source: noise,
  },
];
const manifest = [];
for (const { name, write, read, proof, source } of cases) {
  const { entry, objects } = await backup({
    store,
    name,
    paths: [source ?? tree],
    cwd: "/",
    ...write,
  });
  const key = await parseKey(read.identity ?? read.passphrase!);
  const { index, entries } = await show({ store, key, entry });
  for (const object of objects) {
    fs.mkdirSync(folder, { recursive: true });
    fs.copyFileSync(join(work, "store", object.name), join(folder, object.name));
  }
  manifest.push({
    name,
    entry,
    files: objects.map((object) => object.name),
    read,
    proof,
    totals: index.totals,
    tarSize: index.tarSize,
    entries: await Array.fromAsync(entries),
  });
}
fs.writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
await store.close();
fs.rmSync(work, { recursive: true, force: true });
