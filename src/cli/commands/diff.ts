import { resolve } from "node:path";
import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import { parseName } from "../../naming.ts";
import type { Difference, DiffResult } from "../../operations/diff.ts";
import type { ArchiveEntry } from "../../operations/entries.ts";
import { countInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { archiveJson } from "../present.ts";
import { repeatable } from "../repeatable.ts";
import { openReading, type Reading, type ReadingFlags } from "./reading.ts";

interface Flags extends Pick<ReadingFlags, "trustedSigner" | "trustedSignersFile"> {
  readonly allowUnauthenticated?: boolean;
  readonly checksum?: boolean;
  readonly times?: boolean;
  readonly exitCode?: boolean;
}

export function addDiff(program: Command, start: Start): void {
  program
    .command("diff")
    .argument("<entry>", "a backup by its name in the list")
    .argument("[other]", "a later backup, or a folder; without it, the backup before is compared")
    .description("Show what changed between two backups, or since a backup was made.")
    .option("--checksum", "read every file of the folder, whatever its size and time say")
    .option("--times", "also name what differs in its time only")
    .option("--exit-code", "exit with 1 when something differs, as git diff does")
    .option(
      "--trusted-signer <signer>",
      "whose signature proves a backup (restbackup-signer1…); may be repeated",
      repeatable,
    )
    .option("--trusted-signers-file <file>", "a file of such signers")
    .option("--allow-unauthenticated", "even when nothing proves who wrote the backups")
    .addHelpText(
      "after",
      `
Only contents lists are fetched. A is what was added, D what is gone, M what changed.

Examples:
  restbackup diff website-20261123T094012Z.tar.zst.age
  restbackup diff website-20261122T094012Z.tar.zst.age website-20261123T094012Z.tar.zst.age
  restbackup diff website-20261123T094012Z.tar.zst.age ./website`,
    )
    .action((entry: string, other: string | undefined, flags: Flags) =>
      run(start(), entry, other, flags),
    );
}

async function run(
  context: Context,
  entry: string,
  other: string | undefined,
  flags: Flags,
): Promise<void> {
  const reading = await openReading(context, entry, flags);
  try {
    if (reading.legacy !== undefined) {
      throw new RestbackupError("usage", "An archive of an older tool has no contents list.", {
        hint: "Bring it back with restbackup restore, and compare the folders.",
      });
    }
    const result = await compared(context, reading, other, flags);
    const different = await print(context, result, flags);
    if (flags.exitCode === true && different) process.exitCode = 1;
  } finally {
    await reading.store.close();
  }
}

async function compared(
  { cwd }: Context,
  reading: Reading,
  other: string | undefined,
  { allowUnauthenticated, checksum }: Flags,
): Promise<DiffResult> {
  const { diffEntries, diffFolder } = await import("../../operations/diff.ts");
  const options = { ...reading, allowUnauthenticated };
  if (other === undefined) {
    const before = await entryBefore(reading);
    return diffEntries({ ...options, entry: before }, options);
  }
  if (parseName(other) !== undefined) return diffEntries(options, { ...options, entry: other });
  return diffFolder({ ...options, folder: resolve(cwd, other), checksum });
}

/** The complete backup of the same NAME that the store took in before this one. */
async function entryBefore({ store, entry, signal }: Reading): Promise<string> {
  const { listEntries } = await import("../../operations/entries.ts");
  const name = parseName(entry!)!.name;
  const all = (await listEntries(store, { name, signal })).filter(({ complete }) => complete);
  // Taken in within one second, they are told apart by their names, which go by the second too.
  const order = (one: ArchiveEntry, other: ArchiveEntry): number =>
    other.createtime - one.createtime || (one.entry < other.entry ? 1 : -1);
  const given = all.find((one) => one.entry === entry);
  const earlier = all
    .filter((one) => given !== undefined && one !== given && order(given, one) < 0)
    .sort(order);
  if (earlier[0] !== undefined) return earlier[0].entry;
  throw new RestbackupError(
    "not-found",
    `There is no backup of ${visible(name)} before this one.`,
    {
      hint: "Name another backup, or a folder, to compare with.",
    },
  );
}

const LETTERS = { added: "A", removed: "D", changed: "M" } as const;

async function print(
  { output }: Context,
  { from, to, differences }: DiffResult,
  { times = false }: Flags,
): Promise<boolean> {
  const { json, quiet } = output.style;
  const counts = { added: 0, removed: 0, changed: 0 };
  const toJson = "folder" in to ? to : archiveJson(to);
  if (json) {
    const head = JSON.stringify({ from: archiveJson(from), to: toJson });
    await output.write(`${head.slice(0, -1)},"differences":[`);
  }
  let separator = "";
  for await (const difference of differences) {
    if (!times && isTimeOnly(difference)) continue;
    counts[difference.change] += 1;
    if (output.closed) break;
    await output.write(
      json ? `${separator}\n${JSON.stringify(difference)}` : `${line(difference)}\n`,
    );
    separator = ",";
  }
  if (json) await output.write("\n]}\n");
  else if (!quiet) {
    const { added, removed, changed } = counts;
    const total = added + removed + changed;
    output.notice(
      total === 0
        ? "Nothing differs."
        : `${countInWords(total, "difference")}: ${added} added, ${removed} removed, ${changed} changed.`,
    );
  }
  return counts.added + counts.removed + counts.changed > 0;
}

/** A folder's time changes with every name in it, and a file's with a mere touch. */
function isTimeOnly({ change, aspects }: Difference): boolean {
  return change === "changed" && aspects.every((aspect) => aspect === "time");
}

function line({ path, change, aspects }: Difference): string {
  const what = aspects.length === 0 ? "" : `  (${aspects.join(", ")})`;
  return `${LETTERS[change]}  ${visible(path)}${what}`;
}
