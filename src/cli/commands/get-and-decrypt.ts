import type { Command } from "commander";
import type { Start } from "../context.ts";
import { passphraseOf } from "../passphrase-option.ts";
import { addGetArguments, type GetFlags, IF_GET_STOPPED, runGet } from "./get.ts";

interface Flags extends GetFlags {
  readonly passphraseFile?: string;
}

export function addGetAndDecrypt(program: Command, start: Start): void {
  addGetArguments(program.command("get-and-decrypt"))
    .description("Fetch one file in the encryption of older tools (chlorocrypt), and decrypt it.")
    .option(
      "--passphrase-file <file>",
      "a file that holds the passphrase, on one line; by default RESTBACKUP_PASSPHRASE",
    )
    .addHelpText(
      "after",
      `
Examples:
  restbackup get-and-decrypt data.tar.gz --passphrase-file passphrase.txt
  restbackup get-and-decrypt data.tar.gz - --passphrase-file passphrase.txt | tar tz`,
    )
    .action(async (remote: string, local: string | undefined, flags: Flags) => {
      const context = start(IF_GET_STOPPED);
      const passphrase = await passphraseOf(context, flags.passphraseFile);
      const { decryptChlorocrypt } = await import("../../encryption/chlorocrypt.ts");
      const step = (source: AsyncIterable<Uint8Array>) => decryptChlorocrypt(source, passphrase);
      await runGet(context, remote, local, flags, step);
    });
}
