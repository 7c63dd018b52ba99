import { type Command, CommanderError } from "commander";
import { RestbackupError } from "../errors.ts";
import { VERSION } from "../version.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { buildProgram } from "./program.ts";

/** Runs the command line. Never throws: what became of it is in the exit code. */
export async function run(args: readonly string[]): Promise<void> {
  const { env } = process;
  // Needed before options are parsed, to say that they cannot be.
  const output = new Output({ json: args.includes("--json"), quiet: false, verbose: false });
  const debug = env.RESTBACKUP_DEBUG === "1";
  // Thrown where nobody waits for it: a defect, but no reason to show a trace.
  process.on("uncaughtException", (error) => {
    output.error(error, debug);
    process.exit(1);
  });
  const interruption = new Interruption();
  let leftBehind: string | undefined;
  let help = "";
  const begin = (options: GlobalOptions, ifStopped: string | undefined): Context => {
    const { json = false, quiet = false, verbose = false } = options;
    output.style = { json, quiet, verbose };
    if (quiet && verbose) {
      throw new RestbackupError("usage", "--quiet and --verbose contradict each other; give one.");
    }
    output.detail(`restbackup ${VERSION}, Node ${process.versions.node}, ${process.platform}`);
    leftBehind = ifStopped;
    const { signal } = interruption;
    const onHangup = (listener: () => void) => interruption.onHangup(listener);
    return { options, env, cwd: currentFolder(), output, signal, onHangup };
  };
  const print = (text: string) => {
    help += text;
  };
  const program = buildProgram(begin, print, args[0]);
  try {
    await parse(program, args);
    await output.write(help);
  } catch (thrown) {
    const stopped = interruption.exitCode;
    const error =
      stopped !== undefined
        ? new RestbackupError("aborted", ["Stopped.", leftBehind].filter(Boolean).join(" "), {
            cause: thrown,
          })
        : thrown instanceof CommanderError
          ? usageError(thrown, program.commands.find((one) => args.includes(one.name()))?.name())
          : thrown;
    // Help is what was shown already.
    if (!(thrown instanceof CommanderError && thrown.code === "commander.help")) {
      output.error(error, debug);
    }
    process.exitCode = stopped ?? exitCodeOf(error);
  } finally {
    output.status(undefined);
  }
}

/** Help and version, once they were shown, are a success. */
async function parse(program: Command, args: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError && thrown.exitCode === 0)) throw thrown;
  }
}

/** Throws `io` where it was deleted under the shell that stands in it. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new RestbackupError("io", "The current folder does not exist any more.", {
      hint: "Change to one that does: cd.",
      cause,
    });
  }
}

/** What commander says, without the values it repeats: one of them may be a secret gone astray. */
function usageError({ message }: CommanderError, command: string | undefined): RestbackupError {
  const [first = "", suggestion] = message
    .replace(/^error: /, "")
    .replace(/('-[^'=]*)=[^']*'/, "$1'")
    .replace(/( but got \d+):.*(?=\.$)/s, "$1")
    .split("\n");
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`;
  const help = `See: restbackup ${command === undefined ? "" : `${command} `}--help`;
  return new RestbackupError("usage", sentence.endsWith(".") ? sentence : `${sentence}.`, {
    hint: suggestion === undefined ? help : `${suggestion.replace(/^\(|\)$/g, "")} ${help}`,
  });
}
