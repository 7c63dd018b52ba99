import fs from "node:fs";
import { CommanderError } from "commander";
import { buildProgram } from "../../src/cli/program.ts";
import { parseListenAddress } from "../../src/server/listen-address.ts";

const root = new URL("../../", import.meta.url);

/** A file of the repository, by its path from the top. */
export function read(path: string): string {
  return fs.readFileSync(new URL(path, root), "utf8");
}

/** Paths of all documents, from the top of the repository. */
export const documents: readonly string[] = [
  ...fs.readdirSync(root).filter((name) => name.endsWith(".md")),
  ...fs
    .readdirSync(new URL("docs/", root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name.replaceAll("\\", "/")}`),
];

/** Whether a link in a document leads to something in the repository. */
export function leadsSomewhere(document: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? new URL(document, root) : new URL(path, new URL(document, root));
  if (!target.href.startsWith(root.href) || !fs.existsSync(target)) return false;
  if (anchor === undefined) return true;
  const headings = fs.readFileSync(target, "utf8").matchAll(/^#+ (.+)$/gm);
  return [...headings].some(([, heading]) => slug(heading!) === anchor);
}

/** As GitHub names the anchor of a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Links of a document that lead to no other site. */
export function relativeLinks(text: string): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** What is neither in a code block nor in a code span. */
function prose(text: string): string {
  return text
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .replaceAll(/^ {4}.*$/gm, "")
    .replaceAll(/`[^`\n]*`/g, "``");
}

/** Content of the fenced blocks in a language. */
export function fenced(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , content]) => content!);
}

/** A command line of ours, and whether it is shown whole or only named in a sentence. */
export interface Shown {
  readonly line: string;
  readonly whole: boolean;
}

/**
 * All command lines of ours in a document, without what starts them. `restbackup v1 …` is none: so
 * begin the texts that keys are derived for.
 */
export function commandLines(text: string): Shown[] {
  const shown = [...text.matchAll(/^ {4}(.+)$/gm)]
    .flatMap(([, line]) => line!.replace(/(^|\s)#.*$/, "").split(/&&|\|/))
    .map((line) => ({ line, whole: true }));
  const named = [...text.matchAll(/`([^`\n]+)`/g)].map(([, line]) => ({
    line: line!,
    whole: false,
  }));
  return [...shown, ...named].flatMap(({ line, whole }) => {
    const ours = /^\s*(?:[A-Z_]+=\S+ )*(?:restbackup(?! v1 )|npm start --)(?: (.*))?$/.exec(line);
    // Alone in a sentence it is the program's name.
    const isCommand = ours !== null && (whole || ours[1] !== undefined);
    return isCommand ? [{ line: (ours[1] ?? "").trim(), whole }] : [];
  });
}

/** Scripts of package.json that a document says to run; workflows are for projects of others. */
export function npmScripts(text: string): string[] {
  const here = text.replaceAll(/^```yaml\n[\s\S]*?^```$/gm, "");
  return [...here.matchAll(/\bnpm (?:run ([\w:]+)|(test|start)\b)/g)].map(
    ([, run, own]) => (run ?? own)!,
  );
}

class Begun extends Error {}

/** What the command line has against these arguments; undefined when it would set to work. */
export async function faultOf({ line, whole }: Shown): Promise<string | undefined> {
  const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
  const program = buildProgram(() => {
    throw new Begun();
  }).configureOutput({ writeErr: () => {}, writeOut: () => {} });
  const listen = args[args.indexOf("--listen") + 1];
  try {
    if (args.includes("--listen")) parseListenAddress(listen ?? "");
    await program.parseAsync(args, { from: "user" });
    return `${line}: did nothing`;
  } catch (error) {
    if (error instanceof Begun) return undefined;
    const incomplete = ["commander.missingMandatoryOptionValue", "commander.missingArgument"];
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return undefined;
      if (!whole && incomplete.includes(error.code)) return undefined;
    }
    return `${line}: ${(error as Error).message}`;
  }
}

/** Rows of the first table after a text, cell by cell, without its head. */
export function tableAfter(text: string, before: string): string[][] {
  const start = text.indexOf(before);
  const [table = ""] = /^\|.*(?:\n\|.*)*/m.exec(start < 0 ? "" : text.slice(start)) ?? [];
  return table
    .split("\n")
    .slice(2)
    .map((row) =>
      row
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}
