import { RestbackupError } from "../errors.ts";
import type { Context } from "./context.ts";
import { readSecretFile } from "./secret-file.ts";

/**
 * The passphrase of a chlorocrypt file: --passphrase-file, or else RESTBACKUP_PASSPHRASE. One line;
 * white space around it does not count. Throws `usage`.
 */
export async function passphraseOf(
  { env, output }: Context,
  file: string | undefined,
): Promise<string> {
  const text =
    file === undefined
      ? env.RESTBACKUP_PASSPHRASE
      : await readSecretFile(file, "passphrase file", output);
  if (text === undefined) {
    throw new RestbackupError("usage", "There is no passphrase.", {
      hint: "Give --passphrase-file FILE or RESTBACKUP_PASSPHRASE. To make one: restbackup passphrase.",
    });
  }
  const passphrase = text.trim();
  const whose = file === undefined ? "RESTBACKUP_PASSPHRASE" : "The passphrase file";
  if (passphrase === "") throw new RestbackupError("usage", `${whose} is empty.`);
  if (/[\r\n]/.test(passphrase)) {
    throw new RestbackupError("usage", `${whose} has several lines.`, {
      hint: "A passphrase is one line.",
    });
  }
  return passphrase;
}
