import type { Command } from "commander";
import type { VerifyResult } from "../../operations/restore.ts";
import { durationInWords, sizeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import {
  archiveJson,
  createdInWords,
  objectInWords,
  table,
  totalsInWords,
  writerInWords,
} from "../present.ts";
import { progressOf } from "../progress.ts";
import { addReadingOptions, openReading, type ReadingFlags } from "./reading.ts";

interface Flags extends ReadingFlags {
  readonly maxAge?: string;
  readonly allowUnauthenticated?: boolean;
}

export function addVerify(program: Command, start: Start): void {
  addReadingOptions(program.command("verify"))
    .description("Read a whole backup and check all that a restore would, writing nothing.")
    .option("--max-age <age>", "fail with exit code 7 when it is older: 26h, 7d")
    .option("--allow-unauthenticated", "accept it even when nothing proves who wrote it")
    .addHelpText(
      "after",
      `
Examples:
  restbackup verify
  restbackup verify --name website --max-age 26h
  restbackup verify website-20261123T094012Z.tar.zst.age --key-file key.txt`,
    )
    .action((entry: string | undefined, flags: Flags) => run(start(), entry, flags));
}

async function run(context: Context, entry: string | undefined, flags: Flags): Promise<void> {
  const { output } = context;
  const { parseDuration } = await import("../../operations/units.ts");
  const maxAge = flags.maxAge === undefined ? undefined : parseDuration(flags.maxAge);
  const reading = await openReading(context, entry, flags);
  try {
    if (reading.legacy !== undefined) {
      const { verifyOlder } = await import("../legacy.ts");
      await verifyOlder(context, reading, { ...flags, maxAge });
      return;
    }
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
