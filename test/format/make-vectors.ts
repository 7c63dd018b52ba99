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
 * Makes the committed vectors anew; run by hand on Linux, as root for the owners, when the format
 * gets a new version:
 *
 *     node test/format/make-vectors.ts
 *
 * The keys are made here, for nothing but this.
 */
const folder = fileURLToPath(new URL("../vectors/archive/", import.meta.url));
const work = fs.mkdtempSync(join(tmpdir(), "restbackup-vectors-"));
makeTree(join(work, "tree"));
fs.mkdirSync(join(work, "noise"));
fs.writeFileSync(join(work, "noise", "random"), randomBytes(1_100_000));

/** Something of everything that a tree can hold and a header can say. */
function makeTree(tree: string): void {
  fs.mkdirSync(join(tree, "folder", "empty"), { recursive: true });
  fs.writeFileSync(join(tree, "empty"), "");
  fs.writeFileSync(join(tree, "folder", "text"), "hello\n".repeat(200));
  fs.writeFileSync(join(tree, "folder", "program"), "#!/bin/sh\n");
  fs.writeFileSync(join(tree, "n\u00e4me"), "unicode\n");
  const latin = Buffer.concat([Buffer.from(`${tree}/latin-`), Buffer.of(0xe9)]);
  fs.writeFileSync(latin, "not UTF-8\n");
  fs.writeFileSync(join(tree, "x".repeat(100)), "as long as the field\n");
  fs.writeFileSync(join(tree, "long".repeat(40)), "long name\n");
  fs.mkdirSync(join(tree, "d".repeat(100)));
  fs.writeFileSync(join(tree, "line\nbreak"), "control character\n");
  fs.symlinkSync("folder/text", join(tree, "link"));
  fs.symlinkSync("nowhere", join(tree, "dangling"));
  fs.symlinkSync(Buffer.of(0x66, 0xfc, 0x72), join(tree, "link to latin"));
  fs.symlinkSync("../".repeat(40), join(tree, "link far out"));
  fs.linkSync(join(tree, "folder", "program"), join(tree, "hard link"));
  fs.writeFileSync(join(tree, "sparse"), "");
  fs.truncateSync(join(tree, "sparse"), 300_000);
  fs.writeFileSync(join(tree, "old"), "before 1970\n");
  fs.writeFileSync(join(tree, "owned"), "by another\n");
  fs.chownSync(join(tree, "owned"), 1000, 3_000_000);
  fs.chmodSync(join(tree, "owned"), 0o4755);
  fs.chmodSync(join(tree, "folder", "text"), 0o640);
  fs.chmodSync(join(tree, "folder", "program"), 0o755);
  fs.utimesSync(join(tree, "folder", "text"), 1_700_000_000.25, 1_700_000_000.25);
  fs.utimesSync(join(tree, "empty"), 1_700_000_000, 1_700_000_000);
  fs.utimesSync(join(tree, "old"), "-1.5", "-1.5");
}

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
    source: "noise",
  },
];
const manifest = [];
for (const { name, write, read, proof, source } of cases) {
  const { entry, objects } = await backup({
    store,
    name,
    paths: [source ?? "tree"],
    cwd: work,
    ...write,
  });
  const key = await parseKey(read.identity ?? read.passphrase!);
  const { index, entries } = await show({ store, key, entry });
  fs.mkdirSync(folder, { recursive: true });
  for (const object of objects) {
    fs.copyFileSync(join(work, "store", object.name), join(folder, object.name));
    fs.chmodSync(join(folder, object.name), 0o644);
  }
  // Where the segments lie is not for a reader's user.
  const { segments: _, ...facts } = index as typeof index & { segments?: unknown };
  manifest.push({
    name,
    entry,
    files: objects.map((object) => object.name),
    read,
    proof,
    index: facts,
    entries: await Array.fromAsync(entries),
  });
}
fs.writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
await store.close();
fs.rmSync(work, { recursive: true, force: true });
