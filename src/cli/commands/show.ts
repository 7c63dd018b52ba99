import type { Command } from "commander";
import type { ContentsEntry } from "../../archive/contents.ts";
import type { ShowResult } from "../../operations/restore.ts";
import { sizeInWords, timeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import {
  archiveJson,
  createdInWords,
  sourceInWords,
  table,
  totalsInWords,
  writerInWords,
} from "../present.ts";
import {
  addReadingOptions,
  type LegacyReading,
  openReading,
  type Reading,
  type ReadingFlags,
} from "./reading.ts";

export function addShow(program: Command, start: Start): void {
  addReadingOptions(program.command("show"))
    .description("Show what is inside a backup, without fetching it whole.")
    .addHelpText(
      "after",
      `
Examples:
  restbackup show
  restbackup show --name website --at 2026-11-23
  restbackup show website-20261123T094012Z.tar.zst.age --json --key-file key.txt`,
    )
    .action((entry: string | undefined, flags: ReadingFlags) => run(start(), entry, flags));
}

async function run(
  context: Context,
  entry: string | undefined,
  flags: ReadingFlags,
): Promise<void> {
  const reading = await openReading(context, entry, flags);
  try {
    const { output } = context;
    const pieces = await piecesOf(reading, output.style.json);
    for await (const piece of batches(pieces)) {
      // A list may be long, and its reader gone.
      if (output.closed) break;
      await output.write(piece);
    }
  } finally {
    await reading.store.close();
  }
}

async function piecesOf(
  reading: Reading | LegacyReading,
  json: boolean,
): Promise<AsyncIterable<string>> {
  if (reading.legacy !== undefined) {
    const { showOlder } = await import("../legacy.ts");
    return showOlder(reading, json);
  }
  const { show } = await import("../../operations/restore.ts");
  const shown = await show(reading);
  const { description } = reading.store;
  return json ? jsonPieces(shown, description) : text(shown, description);
}

async function* text(shown: ShowResult, store: string): AsyncGenerator<string> {
  const { archive, index, authenticity, entries } = shown;
  const header = [
    visible(archive.entry),
    ...table([
      ["from", sourceInWords(index)],
      ["holds", totalsInWords(index.totals)],
      ["stored", `${sizeInWords(archive.size)}, ${createdInWords(archive.createtime)} at ${store}`],
      ["written by", `${writerInWords(authenticity)}; with ${visible(index.writer)}`],
    ]),
    ...index.warnings.map(
      ({ path, problem }) => `  not taken as it was: ${visible(path)}: ${visible(problem)}`,
    ),
  ];
  yield `${header.join("\n")}\n\n`;
  for await (const entry of entries) yield `${entryLine(entry)}\n`;
}

/** One JSON document, written as the list comes. */
async function* jsonPieces(shown: ShowResult, store: string): AsyncGenerator<string> {
  const { archive, index, authenticity, entries } = shown;
  const { source, totals, created, writer, warnings } = index;
  const head = {
    ...archiveJson(archive),
    store,
    authenticity,
    created,
    writer,
    source,
    totals,
    backupWarnings: warnings,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"entries":[`;
  let separator = "";
  for await (const entry of entries) {
    yield `${separator}\n${JSON.stringify(entry)}`;
    separator = ",";
  }
  yield "\n]}\n";
}

const TYPES = { file: "-", directory: "d", symlink: "l", hardlink: "h" } as const;

/** As `tar tv` shows it: `-rw-r--r--  1234  2026-11-23 09:40:12Z  docs/a.txt`. */
export function entryLine(entry: ContentsEntry): string {
  const size = String(entry.size ?? 0).padStart(12);
  const time = timeInWords(Math.floor(Number(entry.mtime)));
  const link =
    entry.type === "symlink"
      ? ` -> ${visible(entry.target!)}`
      : entry.type === "hardlink"
        ? ` link to ${visible(entry.target!)}`
        : "";
  const changed = entry.changed === undefined ? "" : `  (${entry.changed} while it was read)`;
  const slash = entry.type === "directory" ? "/" : "";
  return `${TYPES[entry.type]}${permissions(entry.mode)} ${size} ${time} ${visible(entry.path)}${slash}${link}${changed}`;
}

/** `rwxr-xr-x`, with `s`, `S`, `t` and `T` as ls writes them. */
function permissions(mode: number): string {
  const bits = [..."rwxrwxrwx"].map((letter, index) => (mode & (0o400 >> index) ? letter : "-"));
  const special = (bit: number, at: number, letter: string) => {
    if ((mode & bit) !== 0) bits[at] = bits[at] === "x" ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return bits.join("");
}

/** Many small pieces as few larger ones. */
async function* batches(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let batch = "";
  for await (const piece of pieces) {
    batch += piece;
    if (batch.length < 2 ** 16) continue;
    yield batch;
    batch = "";
  }
  yield batch;
}
