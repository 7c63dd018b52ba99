import fs from "node:fs";
import { documents, read } from "./documents.ts";

/** A block of code in a document, or an example of a docstring. */
export interface CodeBlock {
  /** The file it stands in, from the top of the repository. */
  readonly file: string;
  /** `ts`, `yaml`, …; empty for an indented block, where commands stand. */
  readonly language: string;
  readonly text: string;
  /** Its first line, by which it is known. */
  readonly first: string;
}

const root = new URL("../../", import.meta.url);

/** Documents with code for readers; docs/api.md repeats the docstrings, and decisions are history. */
const READ = documents.filter(
  (name) =>
    name === "README.md" ||
    (name.startsWith("docs/") && name !== "docs/api.md" && !name.startsWith("docs/decisions/")),
);

/** Every block of README.md and docs/, fenced or indented, in order. */
export function documentBlocks(): CodeBlock[] {
  return READ.flatMap((file) => blocksOf(file, read(file)));
}

function blocksOf(file: string, text: string): CodeBlock[] {
  const found = text.matchAll(/^```(\w*)\n([\s\S]*?)^```$|((?:^ {4}.*\n(?:\n(?= {4}))?)+)/gm);
  return [...found].map(([, language, fenced, indented]) =>
    blockOf(file, language ?? "", fenced ?? indented!.replaceAll(/^ {4}/gm, "")),
  );
}

/** Every example in a docstring of the sources. */
export function docstringBlocks(): CodeBlock[] {
  return fs
    .readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .toSorted()
    .flatMap((file) => examplesOf(file, read(file)));
}

function examplesOf(file: string, source: string): CodeBlock[] {
  return [...source.matchAll(/^ *\/\*\*\n[\s\S]*?\*\/$/gm)].flatMap(([comment]) => {
    const text = comment.replaceAll(/^ *\* ?/gm, "");
    const found = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
    return found.map(([, language, code]) => blockOf(file, language!, code!));
  });
}

function blockOf(file: string, language: string, text: string): CodeBlock {
  return { file, language, text, first: text.split("\n", 1)[0]!.trimEnd() };
}
