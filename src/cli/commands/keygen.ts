import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { Context, Start } from "../context.ts";
import { identityFile, signingKeyFile } from "../identity-file.ts";
import { writeSecretFile } from "../secret-file.ts";

interface Flags {
  readonly output?: string;
  readonly postQuantum?: boolean;
  readonly signing?: boolean;
}

export function addKeygen(program: Command, start: Start): void {
  program
    .command("keygen")
    .description("Make a new key; with -o print only its public half, the recipient.")
    .option("-o, --output <file>", "write the key to this new file, for you alone to read (0600)")
    .option("--post-quantum", "one that quantum computers could not break either (longer)")
    .option("--signing", "a signing key, for a machine that writes backups it cannot read")
    .addHelpText(
      "after",
      `
Examples:
  restbackup keygen -o key.txt
  restbackup keygen --post-quantum -o key.txt
  restbackup keygen --signing -o signing.txt     (prints the signer, for --trusted-signer)`,
    )
    .action((flags: Flags) => run(start(), flags));
}

async function run({ output }: Context, flags: Flags): Promise<void> {
  if (flags.signing === true && flags.postQuantum === true) {
    throw new RestbackupError("usage", "There are no post-quantum signing keys here.", {
      hint: "Leave out --post-quantum or --signing.",
    });
  }
  if (flags.output === "") throw new RestbackupError("usage", "--output is empty.");
  const { text, label, publicHalf, json } =
    flags.signing === true ? await signing() : await identity(flags.postQuantum ?? false);
  const { output: file } = flags;
  if (file === undefined) {
    output.notice(`${label}: ${publicHalf}`);
    await output.result([text.trimEnd()], json);
    return;
  }
  await writeSecretFile(file, text);
  output.notice(`The key is in ${file}. Keep a copy of it elsewhere.`);
  await output.result([publicHalf], { [label.toLowerCase()]: publicHalf, file });
}

interface MadeKey {
  readonly text: string;
  readonly label: string;
  readonly publicHalf: string;
  readonly json: unknown;
}

async function identity(postQuantum: boolean): Promise<MadeKey> {
  const { generateIdentity } = await import("../../encryption/keys.ts");
  const pair = await generateIdentity({ postQuantum });
  return {
    text: identityFile(pair, new Date()),
    label: "Recipient",
    publicHalf: pair.recipient,
    json: pair,
  };
}

async function signing(): Promise<MadeKey> {
  const { generateSigningKey } = await import("../../encryption/signing.ts");
  const pair = generateSigningKey();
  return {
    text: signingKeyFile(pair, new Date()),
    label: "Signer",
    publicHalf: pair.signer,
    json: pair,
  };
}
