import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { VerifyResult } from "../../operations/restore.ts";
import { durationInWords, sizeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { withHealthCheck } from "../health-check.ts";
import {
  archiveJson,
  createdInWords,
  objectInWords,
  table,
  totalsInWords,
  writerInWords,
} from "../present.ts";
import { progressOf } from "../progress.ts";
import type { RehearseFlags } from "../rehearse.ts";
import { repeatable } from "../repeatable.ts";
import { addReadingOptions, openReading, type ReadingFlags, warnOfIncomplete } from "./reading.ts";

interface Flags extends ReadingFlags, RehearseFlags {
  readonly maxAge?: string;
  readonly pingUrlFile?: string;
}

export function addVerify(program: Command, start: Start): void {
  addReadingOptions(program.command("verify"))
    .description("Read a whole backup and check all that a restore would, writing nothing.")
    .option("--max-age <age>", "fail with exit code 7 when it is older: 26h, 7d")
    .option("--allow-unauthenticated", "accept it even when nothing proves who wrote it")
    .option(
      "--rehearse",
      "restore it for real into a scratch folder, which is removed; without an entry the newest, even when volumes of it are missing",
    )
    .option(
      "--shrink-limit <percent>",
      "in a rehearsal, fail with exit code 8 when it holds so much less than the one before, in bytes or files; by default 50%",
    )
    .option(
      "--compare <folder>",
      "in a rehearsal, fail with exit code 8 when what was restored differs from this folder",
    )
    .option(
      "--compare-exclude <glob>",
      "leave out of that what matches; may be repeated",
      repeatable,
    )
    .option(
      "--run <command>",
      "in a rehearsal, run this in the restored folder, and fail with exit code 8 when it fails",
    )
    .option(
      "--ping-url-file <file>",
      "a file that holds the url of a health check to tell; by default RESTBACKUP_PING_URL",
    )
    .addHelpText(
      "after",
      `
Examples:
  restbackup verify
  restbackup verify --name website --max-age 26h
  restbackup verify --rehearse --name website --max-age 26h --run 'npm ci && npm test'
  restbackup verify --rehearse --compare ~/website --compare-exclude node_modules
  restbackup verify website-20261123T094012Z.tar.zst.age --key-file key.txt`,
    )
    .action((entry: string | undefined, flags: Flags) => run(start(), entry, flags));
}

async function run(context: Context, entry: string | undefined, flags: Flags): Promise<void> {
  const { checkRehearseFlags } = await import("../rehearse.ts");
  checkRehearseFlags(flags);
  await withHealthCheck(context, flags.pingUrlFile, () => check(context, entry, flags));
}

async function check(context: Context, entry: string | undefined, flags: Flags): Promise<void> {
  const { output } = context;
  const { parseDuration } = await import("../../operations/units.ts");
  const maxAge = flags.maxAge === undefined ? undefined : parseDuration(flags.maxAge);
  const reading = await openReading(context, entry, flags);
  try {
    if (reading.legacy !== undefined) {
      if (flags.rehearse === true) {
        throw new RestbackupError("usage", "Archives of older tools cannot be rehearsed.", {
          hint: "Restore it to a folder of your own, or verify it without --rehearse.",
        });
      }
      const { verifyOlder } = await import("../legacy.ts");
      await verifyOlder(context, reading, { ...flags, maxAge });
      return;
    }
    if (flags.rehearse === true) {
      const { rehearseReading } = await import("../rehearse.ts");
      await rehearseReading(context, reading, { ...flags, maxAge });
      return;
    }
    await warnOfIncomplete(context, reading);
    const { verify } = await import("../../operations/restore.ts");
    const begun = performance.now();
    const result = await verify({
      ...reading,
      maxAge,
      allowUnauthenticated: flags.allowUnauthenticated,
      onProgress: progressOf(context),
    });
    for (const object of result.archive.objects) output.detail(objectInWords(object));
    const seconds = (performance.now() - begun) / 1000;
    const { description: store } = reading.store;
    await output.summary(inWords(result, store, seconds), {
      ...archiveJson(result.archive),
      store,
      totals: result.index.totals,
      authenticity: result.authenticity,
      backupWarnings: result.index.warnings,
      seconds,
    });
  } finally {
    await reading.store.close();
  }
}

function inWords(result: VerifyResult, store: string, seconds: number): string[] {
  const { archive, index, authenticity } = result;
  return [
    `Verified ${visible(archive.entry)}: it can be restored`,
    ...table([
      ["holds", totalsInWords(index.totals)],
      ["stored", `${sizeInWords(archive.size)}, ${createdInWords(archive.createtime)} at ${store}`],
      ["written by", writerInWords(authenticity)],
      ["took", durationInWords(seconds)],
    ]),
  ];
}
