import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What can be typed after some words. */
interface Place {
  /** Command names so far: `account create`; "" at the start. */
  readonly words: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Choice[];
  /** Whether arguments are files. */
  readonly files: boolean;
  /** Words an argument can be. */
  readonly values: readonly string[];
}

interface Choice {
  readonly flags: readonly string[];
  readonly description: string;
  /** What its value is; undefined for an option that takes none. */
  readonly value: "file" | "folder" | "other" | undefined;
}

/** A completion script, worked out from the commands themselves. */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program, "", []);
  switch (shell) {
    case "bash":
      return bash(places);
    case "zsh":
      return zsh(places);
    case "fish":
      return fish(places);
  }
}

function placesOf(command: Command, words: string, inherited: readonly Choice[]): Place[] {
  const help = command.createHelp();
  const own = help.visibleOptions(command).map(choiceOf);
  // --version belongs to the program alone.
  const handedDown = command.parent === null ? own.filter(isGlobal) : inherited;
  const commands = help.visibleCommands(command).map((one) => ({
    name: one.name(),
    description: one.description(),
  }));
  const children = help
    .visibleCommands(command)
    .filter((one) => one.name() !== "help")
    .flatMap((one) => placesOf(one, `${words} ${one.name()}`.trim(), handedDown));
  const place = {
    words,
    commands,
    options: [...own, ...(command.parent === null ? [] : inherited)],
    files: command.registeredArguments.some((argument) => argument.name() === "path"),
    values: command.registeredArguments.some((argument) => argument.name() === "shell")
      ? SHELLS
      : [],
  };
  return [place, ...children];
}

function isGlobal({ flags }: Choice): boolean {
  return !flags.includes("--help") && !flags.includes("--version");
}

function choiceOf(option: Option): Choice {
  const placeholder = /<(.*)>/.exec(option.flags)?.[1];
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
    description: option.description,
    value:
      placeholder === undefined
        ? undefined
        : placeholder === "file" || placeholder === "folder"
          ? placeholder
          : "other",
  };
}

const INTRODUCTION = (shell: Shell) =>
  `# Completion of restbackup for ${shell}, printed by: restbackup completion ${shell}\n`;

function bash(places: readonly Place[]): string {
  const valued = (kinds: readonly Choice["value"][]) => [
    ...new Set(
      places.flatMap(({ options }) =>
        options.filter(({ value }) => kinds.includes(value)).flatMap(({ flags }) => flags),
      ),
    ),
  ];
  const cases = places.map(({ words, commands, options, files, values }) => {
    const flags = options.flatMap((option) => option.flags).join(" ");
    const names = [...commands.map(({ name }) => name), ...values].join(" ");
    return `    "${words}") options="${flags}"; words="${names}"; files=${files ? "yes" : ""} ;;`;
  });
  return `${INTRODUCTION("bash")}
_restbackup() {
  local current="\${COMP_WORDS[COMP_CWORD]}" place="" options="" words="" files="" word index
  local previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in
      ${valued(["file", "folder", "other"]).join("|")}) ((index++)) ;;
      -*) ;;
      *)
        case "\${place:+$place }$word" in
          ${places
            .filter(({ words }) => words !== "")
            .map(({ words }) => `"${words}"`)
            .join("|")}) place="\${place:+$place }$word" ;;
        esac ;;
    esac
  done
  case "$previous" in
    ${valued(["file"]).join("|")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
    ${valued(["folder"]).join("|")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return ;;
    ${valued(["other"]).join("|")}) return ;;
  esac
  case "$place" in
${cases.join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$files" ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _restbackup restbackup
`;
}

function zsh(places: readonly Place[]): string {
  const functions = places.map((place) => {
    const specs = place.options.map((option) => `    ${zshOption(option)} \\\n`).join("");
    const depth = place.words === "" ? 0 : place.words.split(" ").length;
    const rest =
      place.commands.length > 0
        ? `    '1: :->command' '*:: :->rest'
  case "$state" in
    command) local -a commands=(${place.commands
      .map(({ name, description }) => singleQuoted(`${name}:${description}`))
      .join(" ")}); _describe command commands ;;
    rest) case "$words[1]" in
${place.commands
  .filter(({ name }) => name !== "help")
  .map(({ name }) => `      ${name}) ${zshName(`${place.words} ${name}`.trim())} ;;`)
  .join("\n")}
    esac ;;
  esac`
        : place.files
          ? "    '*:path:_files'"
          : place.values.length > 0
            ? `    '1:value:(${place.values.join(" ")})'`
            : // A message instead of no choices would keep zsh from filling in an option.
              "    '*: :()'";
    const state = place.commands.length > 0 ? "  local state line; local -A opt_args\n" : "";
    const flags = place.commands.length > 0 ? "-C " : "";
    return `${zshName(place.words)}() { # ${depth === 0 ? "restbackup" : place.words}
${state}  _arguments ${flags}-S \\
${specs}${rest}
}`;
  });
  return `#compdef restbackup
${INTRODUCTION("zsh")}
${functions.join("\n\n")}

if [[ "$funcstack[1]" == "_restbackup" ]]; then
  _restbackup "$@"
else
  compdef _restbackup restbackup
fi
`;
}

function zshName(words: string): string {
  return words === "" ? "_restbackup" : `_restbackup_${words.replaceAll(" ", "_")}`;
}

function zshOption({ flags, description, value }: Choice): string {
  // In a specification a colon ends the text, and brackets hold it.
  const text = description.replaceAll(/[[\]:\\]/g, "\\$&");
  const action = { file: ":file:_files", folder: ":folder:_files -/", other: ":value: " };
  const suffix = value === undefined ? "" : action[value];
  return flags.map((flag) => singleQuoted(`*${flag}[${text}]${suffix}`)).join(" ");
}

function fish(places: readonly Place[]): string {
  const root = places.find(({ words }) => words === "")!;
  const lines = places.flatMap((place) => {
    const condition = fishCondition(place);
    return [
      ...place.commands.map(
        ({ name, description }) =>
          `complete -c restbackup -n ${condition} -a ${name} -d ${singleQuoted(description)}`,
      ),
      ...place.values.map((value) => `complete -c restbackup -n ${condition} -a ${value}`),
      ...(place.files ? [`complete -c restbackup -n ${condition} -F`] : []),
      // Those of the program hold everywhere.
      ...place.options
        .filter(
          (option) =>
            place === root || !root.options.some((one) => one.flags[0] === option.flags[0]),
        )
        .map((option) => fishOption(option, place === root ? undefined : condition)),
    ];
  });
  return `${INTRODUCTION("fish")}
complete -c restbackup -f
${lines.join("\n")}
`;
}

function fishCondition({ words, commands }: Place): string {
  const parts =
    words === "" ? [] : words.split(" ").map((one) => `__fish_seen_subcommand_from ${one}`);
  if (commands.length > 0) {
    parts.push(`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(" ")}`);
  }
  return singleQuoted(parts.join("; and "));
}

function fishOption({ flags, description, value }: Choice, condition: string | undefined): string {
  const names = flags.map((flag) =>
    flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
  );
  return [
    "complete -c restbackup",
    ...(condition === undefined ? [] : [`-n ${condition}`]),
    ...names,
    ...(value === undefined ? [] : [value === "other" ? "-x" : "-r -F"]),
    `-d ${singleQuoted(description)}`,
  ].join(" ");
}

/** For a POSIX shell and zsh; fish has the same rule for a text without a backslash. */
function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
