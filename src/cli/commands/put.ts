import { basename, resolve } from "node:path";
import type { Command } from "commander";
import type { StreamStep } from "../../encryption/streams.ts";
import { RestbackupError } from "../../errors.ts";
import type { StoredObject } from "../../stores/store.ts";
import { durationInWords, sizeInWords, timeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { table } from "../present.ts";
import { progressOf } from "../progress.ts";
import { chooseStore, openToWrite } from "../store-option.ts";

export const IF_PUT_STOPPED = "Nothing was stored, unless all of it had arrived already.";

export function addPut(program: Command, start: Start): void {
  program
    .command("put")
    .description("Store one file as it is, not encrypted. For backups, use: backup.")
    .argument("<local>", "the file to store, or - for standard input")
    .argument("[remote]", "the name to store it under; by default that of the file")
    .addHelpText(
      "after",
      `
Examples:
  restbackup put data.20100523.tar.gz
  restbackup put report.pdf reports/2026/november.pdf
  pg_dump shop | gzip | restbackup put - shop.sql.gz`,
    )
    .action((local: string, remote: string | undefined) =>
      runPut(start(IF_PUT_STOPPED), local, remote),
    );
}

/** Stores a file, as it is or as `step` makes it. */
export async function runPut(
  context: Context,
  local: string,
  remote: string | undefined,
  step?: StreamStep,
): Promise<void> {
  const { output, cwd, signal } = context;
  const name = remoteName(local, remote);
  const choice = await chooseStore(context);
  const { putContent } = await import("../../operations/transfer.ts");
  const store = await openToWrite(choice, context);
  try {
    const begun = performance.now();
    const content = local === "-" ? process.stdin : { file: resolve(cwd, local) };
    const onProgress = progressOf(context);
    const stored = await putContent(store, name, content, { step, signal, onProgress });
    const seconds = (performance.now() - begun) / 1000;
    await output.summary(
      inWords(stored, store.description, step !== undefined, seconds),
      asJson(stored, store.description, step !== undefined, seconds),
    );
  } finally {
    await store.close();
  }
}

/** Without the leading slash that listings of the API show. Throws `usage`. */
function remoteName(local: string, remote: string | undefined): string {
  if (remote !== undefined) return remote.replace(/^\//, "");
  if (local !== "-") return basename(local);
  throw new RestbackupError("usage", "Standard input has no name.", {
    hint: "Give one after the dash: restbackup put - NAME.",
  });
}

function inWords(stored: StoredObject, store: string, encrypted: boolean, seconds: number) {
  return [
    `Stored ${visible(stored.name)}`,
    ...table([
      ["size", `${sizeInWords(stored.size)}${encrypted ? ", encrypted" : ""}`],
      ["stored", timeInWords(stored.createtime)],
      ["at", store],
      ["took", durationInWords(seconds)],
    ]),
  ];
}

function asJson(stored: StoredObject, store: string, encrypted: boolean, seconds: number) {
  const { name, size, sha256, createtime, deletetime } = stored;
  return { name, store, size, sha256, createtime, deletetime, encrypted, seconds };
}
