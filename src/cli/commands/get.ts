import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import type { StreamStep } from "../../encryption/streams.ts";
import { RestbackupError } from "../../errors.ts";
import { printable } from "../../naming.ts";
import { durationInWords, sizeInWords, visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { table } from "../present.ts";
import { progressOf } from "../progress.ts";
import { chooseStore, openToRead } from "../store-option.ts";

export interface GetFlags {
  readonly overwrite?: boolean;
}

export const IF_GET_STOPPED = "No file was written.";

export function addGet(program: Command, start: Start): void {
  addGetArguments(program.command("get"))
    .description("Fetch one stored file as it is, whole or not at all.")
    .addHelpText(
      "after",
      `
Examples:
  restbackup get data.20100523.tar.gz
  restbackup get reports/2026/november.pdf ./report.pdf
  restbackup get data.20100523.tar.gz - | tar tz`,
    )
    .action((remote: string, local: string | undefined, flags: GetFlags) =>
      runGet(start(IF_GET_STOPPED), remote, local, flags),
    );
}

export function addGetArguments(command: Command): Command {
  return command
    .argument("<remote>", "the name it is stored under")
    .argument("[local]", "the file to make, a folder, or - for standard output; by default ./NAME")
    .option("--overwrite", "replace the file when it exists");
}

/** Fetches a file, as it is or as `step` makes it. */
export async function runGet(
  context: Context,
  remote: string,
  local: string | undefined,
  { overwrite }: GetFlags,
  step?: StreamStep,
): Promise<void> {
  const { output, signal } = context;
  const name = remote.replace(/^\//, "");
  if (local === "-" && output.style.json) {
    throw new RestbackupError("usage", "Standard output takes the file or --json, not both.");
  }
  const choice = await chooseStore(context);
  const { getContent, getToFile } = await import("../../operations/transfer.ts");
  const store = await openToRead(choice, context);
  try {
    const begun = performance.now();
    const settings = { step, signal, overwrite, onProgress: progressOf(context) };
    if (local === "-") {
      await toStandardOutput(getContent(store, name, settings));
      return;
    }
    const fetched = await getToFile(store, name, await fileFor(context, name, local), settings);
    const seconds = (performance.now() - begun) / 1000;
    const { path, size } = fetched;
    await output.summary(
      [
        `Fetched ${visible(name)}`,
        ...table([
          ["to", visible(path)],
          ["size", `${sizeInWords(size)}${step === undefined ? "" : ", decrypted"}`],
          ["from", store.description],
          ["took", durationInWords(seconds)],
        ]),
      ],
      { name, store: store.description, file: path, size, decrypted: step !== undefined, seconds },
    );
  } finally {
    await store.close();
  }
}

/** In the current folder, or in the one that was named, under the last part of its own name. */
async function fileFor({ cwd }: Context, name: string, local: string | undefined): Promise<string> {
  const path = resolve(cwd, local ?? ".");
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  const last = basename(name);
  if (process.platform !== "win32" || !/[\\:*?"<>|]/.test(last)) return join(path, last);
  throw new RestbackupError("usage", `${printable(last)} cannot be the name of a file here.`, {
    hint: "Name the file after it: restbackup get REMOTE LOCAL.",
  });
}

/** Waits while the reader is slow; one that has seen enough (`| head`) is no failure. */
async function toStandardOutput(content: AsyncIterable<Uint8Array>): Promise<void> {
  const { stdout } = process;
  for await (const piece of content) {
    const failure = await new Promise<Error | null | undefined>((done) => {
      stdout.write(piece, done);
    });
    if (failure === null || failure === undefined) continue;
    if ((failure as NodeJS.ErrnoException).code === "EPIPE" || stdout.destroyed) return;
    throw new RestbackupError("io", `Cannot write to standard output: ${failure.message}.`);
  }
}
