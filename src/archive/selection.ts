import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import picomatch from "picomatch";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";

/** What of a file tree is meant: plain data, so that it can be handed to a worker. */
export interface Selection {
  /** Absolute path of the folder that becomes the archive's root. */
  readonly root: string;
  /** In order; the last rule that matches a path or a folder above it decides. */
  readonly rules: readonly Rule[];
  /** Globs of what is left out whatever the rules say. */
  readonly exclude: readonly string[];
  /** Absolute paths never entered: the store itself. */
  readonly skip: readonly string[];
}

export interface Rule {
  readonly negate: boolean;
  /** Path below the root up to the first wildcard, `/` between parts; "" is the root. */
  readonly base: string;
  /** The pattern from there on; absent for a plain path. */
  readonly glob?: string;
  /** For a pattern that starts above the root: the root as seen from where it starts. */
  readonly above?: string;
}

export interface SelectionRequest {
  readonly paths: readonly string[];
  readonly patterns?: boolean | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly cwd: string;
  readonly skip?: readonly string[] | undefined;
}

/**
 * Works out root and rules from paths or patterns. A named folder that is a symbolic link means the
 * folder it leads to. Throws `usage` for a request that names nothing and `not-found` for a plain
 * path that does not exist.
 */
export function resolveSelection(request: SelectionRequest): Selection {
  const wanted: { negate: boolean; base: string; rest: string }[] = [];
  for (const line of request.paths) {
    const item = request.patterns === true ? splitPattern(line) : plain(line);
    if (item === undefined) continue;
    const absolute = path.resolve(request.cwd, item.base);
    const exists = fs.lstatSync(absolute, { throwIfNoEntry: false }) !== undefined;
    if (!exists && request.patterns !== true) {
      throw new RestbackupError("not-found", `There is no ${printable(line)}.`, {
        hint: `Looked for ${printable(absolute)}.`,
      });
    }
    wanted.push({ ...item, base: exists ? followed(absolute) : absolute });
  }
  const positive = wanted.filter((item) => !item.negate);
  if (positive.length === 0) {
    throw new RestbackupError("usage", "No path to back up was given.");
  }
  // One folder alone is the root; a file's root is the folder it lies in.
  const root = commonFolder(
    positive.map(({ base, rest }) => (rest !== "" || isFolder(base) ? base : path.dirname(base))),
  );
  const rules = wanted.flatMap((item) => ruleOf(item, root) ?? []);
  const skip = (request.skip ?? []).map(followed);
  return { root, rules, exclude: [...(request.exclude ?? [])], skip };
}

/** Whether nothing can be found, since nothing is where any of the patterns begins. */
export function isNowhere({ root, rules }: Selection): boolean {
  return rules.every(
    ({ negate, base }) =>
      negate || fs.lstatSync(path.join(root, base), { throwIfNoEntry: false }) === undefined,
  );
}

/** What a line means below the root; undefined for an exclusion that touches nothing there. */
function ruleOf(
  { negate, base, rest }: { negate: boolean; base: string; rest: string },
  root: string,
): Rule | undefined {
  const below = relative(root, base);
  if (below !== undefined) return { negate, base: below, ...(rest === "" ? {} : { glob: rest }) };
  const above = relative(base, root);
  if (above === undefined) return undefined;
  // The root and all below it, when it lies in what is meant.
  const parts = above.split("/");
  const glob = rest === "" ? () => true : picomatch(rest, GLOB_OPTIONS);
  const whole = parts.some((_, index) => glob(parts.slice(0, index + 1).join("/")));
  return whole ? { negate, base: "" } : { negate, base: "", glob: rest, above };
}

function plain(text: string): { negate: boolean; base: string; rest: string } {
  return { negate: false, base: text, rest: "" };
}

/** A line as upload-artifact knows it: `#` comments, `!` exclusions, `~`, globs. */
function splitPattern(line: string): { negate: boolean; base: string; rest: string } | undefined {
  let text = line.trim();
  if (text === "" || text.startsWith("#")) return undefined;
  const negate = text.startsWith("!");
  if (negate) text = text.slice(1).trim();
  if (text === "~" || /^~[/\\]/.test(text)) text = os.homedir() + text.slice(1);
  if (path.sep === "\\") text = text.replaceAll("\\", "/");
  const parts = text.split("/");
  let literal = parts.findIndex((part) => /[*?[]/.test(part));
  if (literal < 0) literal = parts.length;
  const base = parts.slice(0, literal).join("/");
  const rest = parts.slice(literal).join("/").replace(/\/+$/, "");
  return { negate, base: base === "" && text.startsWith("/") ? "/" : base, rest };
}

/** The true path; a link to something else than a folder stays itself. */
function followed(absolute: string): string {
  try {
    if (fs.statSync(absolute).isDirectory()) return fs.realpathSync(absolute);
  } catch {
    // Dangling, or gone: the folder it lies in still has a true path.
  }
  try {
    return path.join(fs.realpathSync(path.dirname(absolute)), path.basename(absolute));
  } catch {
    return absolute;
  }
}

function isFolder(absolute: string): boolean {
  return fs.lstatSync(absolute, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function commonFolder(folders: readonly string[]): string {
  let common = folders[0]!;
  for (const folder of folders) {
    while (relative(common, folder) === undefined) {
      const up = path.dirname(common);
      if (up === common) {
        throw new RestbackupError("usage", "The paths lie on different drives.", {
          hint: "Make one backup for each drive.",
        });
      }
      common = up;
    }
  }
  return common;
}

/** `target` seen from `root` with `/` between parts; "" for itself, undefined outside. */
function relative(root: string, target: string): string | undefined {
  const below = path.relative(root, target);
  if (below === ".." || below.startsWith(`..${path.sep}`) || path.isAbsolute(below)) {
    return undefined;
  }
  return path.sep === "\\" ? below.replaceAll("\\", "/") : below;
}

type Matches = (path: string) => boolean;

const GLOB_OPTIONS = {
  dot: true,
  // A leading `!` is a character here: what it means in a line is decided before.
  nonegate: true,
  // `[!a]`, and `[[:digit:]]`.
  posix: true,
  // Names may hold line breaks, which `.` would not match.
  flags: process.platform === "win32" ? "is" : "s",
};

/**
 * Matches globs as `--exclude` and `--include` take them: one without a slash matches a name at any
 * depth, one with a slash a path below the root. Throws `usage` for an empty glob.
 */
export function globMatcher(globs: readonly string[]): Matches {
  const matchers = globs.map((glob): Matches => {
    const text = glob.replace(/^\.\//, "").replace(/\/+$/, "");
    if (text === "") throw new RestbackupError("usage", "An empty glob matches nothing.");
    if (!text.includes("/")) {
      const matches = picomatch(text, GLOB_OPTIONS);
      return (entry) => matches(entry.slice(entry.lastIndexOf("/") + 1));
    }
    const matches = picomatch(text.replace(/^\//, ""), GLOB_OPTIONS);
    return (entry) => matches(entry);
  });
  return (entry) => matchers.some((matches) => matches(entry));
}

/** Globs see only what comes after the base, which may hold characters that mean something to them. */
function ruleMatcher({ base, glob, above }: Rule): Matches {
  if (glob === undefined) return (entry) => entry === base;
  const matches = picomatch(glob, GLOB_OPTIONS);
  if (above !== undefined) return (entry) => matches(`${above}/${entry}`);
  if (base === "") return (entry) => matches(entry);
  const prefix = `${base}/`;
  return (entry) => entry.startsWith(prefix) && matches(entry.slice(prefix.length));
}

/** Which rules matched a folder: its children inherit them. */
export type RuleState = readonly boolean[];

/** Decides path by path, from the root downwards. */
export class Selector {
  readonly #rules: readonly (Rule & { matches: Matches })[];
  readonly #excluded: Matches;
  /** One plain folder without exceptions, the usual case, needs no rule evaluated. */
  readonly #everything: boolean;

  constructor(selection: Selection) {
    this.#rules = selection.rules.map((rule) => ({
      ...rule,
      matches: ruleMatcher(rule),
    }));
    this.#excluded = selection.exclude.length === 0 ? () => false : globMatcher(selection.exclude);
    this.#everything =
      this.#rules.length === 1 && this.#rules[0]!.base === "" && this.#rules[0]!.glob === undefined;
  }

  /** The state of the root. */
  root(): { taken: boolean; state: RuleState } {
    const state = this.#rules.map((rule) => rule.base === "" && rule.glob === undefined);
    return { taken: this.#taken(state), state };
  }

  /** Whether a path is taken, and what its children inherit. */
  child(path: string, parent: RuleState): { taken: boolean; state: RuleState } {
    if (this.#excluded(path)) return { taken: false, state: [] };
    if (this.#everything) return { taken: true, state: parent };
    const state = this.#rules.map((rule, index) => parent[index]! || rule.matches(path));
    return { taken: this.#taken(state), state };
  }

  /** Whether something below this folder could be taken. An empty state was excluded. */
  descends(path: string, state: RuleState): boolean {
    if (state.length === 0) return false;
    if (this.#everything || this.#taken(state)) return true;
    return this.#rules.some(
      ({ negate, base, glob }) =>
        !negate &&
        (base === "" ||
          path === "." ||
          base.startsWith(`${path}/`) ||
          (glob !== undefined && (path === base || path.startsWith(`${base}/`)))),
    );
  }

  #taken(state: RuleState): boolean {
    const last = state.lastIndexOf(true);
    return last >= 0 && !this.#rules[last]!.negate;
  }
}
