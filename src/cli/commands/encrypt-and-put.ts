import type { Command } from "commander";
import type { Start } from "../context.ts";
import { passphraseOf } from "../passphrase-option.ts";
import { IF_PUT_STOPPED, runPut } from "./put.ts";

interface Flags {
  readonly passphraseFile?: string;
}

export function addEncryptAndPut(program: Command, start: Start): void {
  program
    .command("encrypt-and-put")
    .description("Store one file in the encryption of older tools (chlorocrypt). New: backup.")
    .argument("<local>", "the file to encrypt and store, or - for standard input")
    .argument("[remote]", "the name to store it under; by default that of the file")
    .option(
      "--passphrase-file <file>",
      "a file that holds the passphrase, on one line; by default RESTBACKUP_PASSPHRASE",
    )
    .addHelpText(
      "after",
      `
Examples:
  restbackup encrypt-and-put data.tar.gz --passphrase-file passphrase.txt
  restbackup encrypt-and-put data.tar.gz data.20261123.tar.gz --passphrase-file passphrase.txt
  tar cz folder | restbackup encrypt-and-put - folder.tar.gz --passphrase-file passphrase.txt`,
    )
    .action(async (local: string, remote: string | undefined, flags: Flags) => {
      const context = start(IF_PUT_STOPPED);
      const passphrase = await passphraseOf(context, flags.passphraseFile);
      const { encryptChlorocrypt } = await import("../../encryption/chlorocrypt.ts");
      await runPut(context, local, remote, (source) => encryptChlorocrypt(source, passphrase));
    });
}
