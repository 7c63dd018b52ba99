import { visible } from "../words.ts";

/**
 * One line for the log. The runner takes commands from a step's output (`::` at the start of a line,
 * `##[` anywhere), so text with names that others chose must not be able to give any.
 */
export function logLine(text: string): string {
  return visible(text).trimStart().replaceAll("##[", "## [").replace(/^::/, ": :");
}
