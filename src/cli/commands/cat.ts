import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { Context, Start } from "../context.ts";
import { addReadingFlags, openReading, type ReadingFlags } from "./reading.ts";

interface Flags extends ReadingFlags {
  readonly allowUnauthenticated?: boolean;
}

/** Content up to this many bytes is checked whole before any of it is written. */
const CHECKED_FIRST = 16 * 2 ** 20;

export function addCat(program: Command, start: Start): void {
  addReadingFlags(program.command("cat"))
    .argument("<entry>", "a backup by its name in the list; left out, the latest")
    .argument("[path]", "the file, by its path in the backup")
    .description("Write one file of a backup to standard output, fetching little else.")
    .option("--allow-unauthenticated", "even when nothing proves who wrote the backup")
    .addHelpText(
      "after",
      `
Paths are those that restbackup show prints. A file of up to 16 MiB is checked whole before any of
it is written. Of a longer one every piece was authenticated when it was decrypted; should the whole
still not be what was backed up, its last piece is kept back and the exit code is 5.

Examples:
  restbackup cat website-20261123T094012Z.tar.zst.age index.html
  restbackup cat website-20261123T094012Z.tar.zst.age data/big.db > big.db
  restbackup cat --name website index.html`,
    )
    .action((first: string, second: string | undefined, flags: Flags) =>
      second === undefined
        ? run(start(), undefined, first, flags)
        : run(start(), first, second, flags),
    );
}

async function run(
  context: Context,
  entry: string | undefined,
  path: string,
  flags: Flags,
): Promise<void> {
  const reading = await openReading(context, entry, flags);
  try {
    if (reading.legacy !== undefined) {
      throw new RestbackupError(
        "usage",
        "An archive of an older tool has no contents list to find a file by.",
        {
          hint: "Bring all of it back with: restbackup restore.",
        },
      );
    }
    const { cat } = await import("../../operations/cat.ts");
    const { file, content } = await cat({
      ...reading,
      path,
      allowUnauthenticated: flags.allowUnauthenticated,
    });
    const { output } = context;
    if (file.size! <= CHECKED_FIRST) {
      const whole = await Array.fromAsync(content);
      for (const piece of whole) await output.write(piece);
      return;
    }
    for await (const piece of content) {
      // Its reader may have seen enough.
      if (output.closed) break;
      await output.write(piece);
    }
  } finally {
    await reading.store.close();
  }
}
