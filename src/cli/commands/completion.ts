import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { Start } from "../context.ts";

export function addCompletion(program: Command, start: Start): void {
  program
    .command("completion")
    .description("Print a script that completes commands and options in a shell.")
    .argument("<shell>", "bash, zsh or fish")
    .addHelpText(
      "after",
      `
Examples:
  restbackup completion bash > ~/.local/share/bash-completion/completions/restbackup
  restbackup completion zsh > ~/.zfunc/_restbackup      (with ~/.zfunc in fpath, before compinit)
  restbackup completion fish > ~/.config/fish/completions/restbackup.fish`,
    )
    .action(async (shell: string) => {
      const { output } = start();
      const { completionScript, SHELLS } = await import("../completion.ts");
      const known = SHELLS.find((one) => one === shell);
      if (known === undefined) {
        throw new RestbackupError("usage", "There is completion for bash, zsh and fish.");
      }
      const script = completionScript(known, program);
      await output.result([script.trimEnd()], { shell, script });
    });
}
