import fs from "node:fs";
import { parseKey } from "../../src/encryption/keys.ts";
import { backup } from "../../src/operations/backup.ts";
import { restore } from "../../src/operations/restore.ts";
import { openStore } from "../../src/stores/open.ts";

/** A backup or a restore in a process of its own, for `users.test.ts`: prints what came of it. */

const [what, url, keyFile, options] = JSON.parse(process.argv[2]!);
const store = await openStore(url);
const key = await parseKey(fs.readFileSync(keyFile, "utf8"));
const running =
  what === "backup" ? backup({ store, key, ...options }) : restore({ store, key, ...options });
const result = await running.then(
  ({ totals, warnings }) => ({ totals, warnings }),
  ({ code, message, hint }) => ({ code, message, hint }),
);
console.log(JSON.stringify(result));
