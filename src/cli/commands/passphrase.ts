import { type Command, InvalidArgumentError } from "commander";
import type { Context, Start } from "../context.ts";
import { writeSecretFile } from "../secret-file.ts";

interface Flags {
  readonly words: number;
  readonly output?: string;
}

export function addPassphrase(program: Command, start: Start): void {
  program
    .command("passphrase")
    .description("Make a passphrase that is hard to guess and can be remembered.")
    .option("--words <6-24>", "how many words; 11 bits each", wordCount, 8)
    .option("-o, --output <file>", "write it to this new file, for you alone to read (0600)")
    .addHelpText(
      "after",
      `
Examples:
  restbackup passphrase
  restbackup passphrase --words 10 -o passphrase.txt`,
    )
    .action((flags: Flags) => run(start(), flags));
}

function wordCount(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 6 && Number(text) <= 24) return Number(text);
  throw new InvalidArgumentError("It is a whole number from 6 to 24.");
}

async function run({ output }: Context, { words, output: file }: Flags): Promise<void> {
  const { generatePassphrase } = await import("../../encryption/passphrase.ts");
  const { passphrase, bits } = generatePassphrase({ words });
  const strength = `${bits} bits of entropy: ${words} words, each drawn evenly from 2048.`;
  if (file === undefined) {
    output.notice(strength);
    await output.result([passphrase], { passphrase, bits });
    return;
  }
  await writeSecretFile(file, `${passphrase}\n`);
  output.notice(`The passphrase is in ${file}. Keep a copy of it elsewhere.`);
  await output.summary([strength], { file, bits });
}
