import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import { printable } from "../../naming.ts";
import type { ArchiveEntry } from "../../operations/entries.ts";
import { ageInWords, sizeInWords, timeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { olderJson } from "../legacy-words.ts";
import { archiveJson } from "../present.ts";
import { chooseStore, isUnused, openToRead } from "../store-option.ts";

interface Flags {
  readonly name?: string;
}

export function addList(program: Command, start: Start): void {
  program
    .command("list")
    .description("List backups, the latest last. Needs no key.")
    .option("--name <name>", "only backups of this NAME")
    .addHelpText(
      "after",
      `
Examples:
  restbackup list
  restbackup list --name website
  restbackup list --json --store file:///mnt/disk/backups`,
    )
    .action((flags: Flags) => run(start(), flags));
}

async function run(context: Context, { name }: Flags): Promise<void> {
  const { output, signal } = context;
  const choice = await chooseStore(context);
  // A machine without backups lists none; a folder that was named and is missing is an error.
  if (name === undefined && (await isUnused(choice))) {
    output.notice("There are no backups yet. Make one with: restbackup backup FOLDER");
    await output.result([], { store: choice.url, entries: [] });
    return;
  }
  const { listEntries } = await import("../../operations/entries.ts");
  const store = await openToRead(choice, context);
  try {
    const entries = await listEntries(store, { name, signal, legacy: true });
    if (entries.length === 0) {
      if (name !== undefined) {
        throw new RestbackupError(
          "not-found",
          `No backup named ${printable(name)} is in ${store.description}.`,
          { hint: "See what is there with: restbackup list." },
        );
      }
      output.notice(`There are no backups in ${store.description} yet.`);
    }
    const json = { store: store.description, entries: entries.map(entryJson) };
    await output.result(inWords(entries, Date.now() / 1000), json);
  } finally {
    await store.close();
  }
}

function inWords(entries: readonly ArchiveEntry[], now: number): string[] {
  const rows = entries.map((entry) => ({
    time: timeInWords(entry.createtime),
    age: ageInWords(now - entry.createtime),
    size: sizeInWords(entry.size),
    entry: visible(entry.entry),
    note: noteOf(entry),
  }));
  const width = (column: "age" | "size") => Math.max(0, ...rows.map((row) => row[column].length));
  const ageWidth = width("age");
  const sizeWidth = width("size");
  return rows.map(
    ({ time, age, size, entry, note }) =>
      `${time}  ${age.padStart(ageWidth)}  ${size.padStart(sizeWidth)}  ${entry}${note}`,
  );
}

function entryJson(entry: ArchiveEntry) {
  return entry.legacy === undefined ? archiveJson(entry) : olderJson(entry);
}

function noteOf({ complete, deletetime, legacy }: ArchiveEntry): string {
  const notes = [
    ...(complete || legacy !== undefined
      ? []
      : ["incomplete: interrupted, or still being written"]),
    ...(legacy?.missing === undefined
      ? []
      : [
          `${complete ? "the chain ends here" : "cannot be restored"}: ${visible(legacy.missing)} is missing`,
        ]),
    ...(deletetime === undefined ? [] : [`kept until ${timeInWords(deletetime).slice(0, 10)}`]),
  ];
  return notes.length === 0 ? "" : `  (${notes.join("; ")})`;
}
