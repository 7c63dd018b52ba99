import { appendFile } from "node:fs/promises";
import * as core from "@actions/core";
import { RestbackupError } from "../errors.ts";
import { grouped } from "../words.ts";
import { failureText } from "./failure.ts";
import type { WhenNothing } from "./inputs.ts";
import { logLine } from "./log-line.ts";
import { nothingSummary } from "./summary.ts";

const NAMED_WARNINGS = 10;

/** A line for who reads the log. */
export function say(text: string): void {
  core.info(logLine(text));
}

/** Unix seconds as an output: ISO 8601, `2026-11-23T09:40:12Z`. */
export function isoTime(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The step's outputs, as action.yml declares them. */
export function setOutputs(outputs: Readonly<Record<string, string | number | boolean>>): void {
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, String(value));
}

/** Adds Markdown to the job's summary, where the runner has one. The work itself is done by then. */
export async function writeSummary(markdown: string): Promise<void> {
  const file = process.env.GITHUB_STEP_SUMMARY;
  if (!file) return;
  try {
    await appendFile(file, markdown);
  } catch (error) {
    core.warning(failureText(error), { title: "The job summary could not be written" });
  }
}

/** One annotation for all warnings: a job shows few, and the summary names them. */
export function annotateWarnings(title: string, warnings: readonly string[]): void {
  if (warnings.length === 0) return;
  const lines = warnings.slice(0, NAMED_WARNINGS);
  const more = warnings.length - lines.length;
  if (more > 0) lines.push(`and ${grouped(more)} more: see the summary`);
  core.warning(lines.join("\n"), { title });
}

/**
 * What became of `work` that may find nothing to work on: its result, or undefined where that is no
 * failure, said as loudly as was asked for.
 */
export async function unlessNothing<T>(
  when: WhenNothing,
  title: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const nothing = error instanceof RestbackupError && error.code === "not-found";
    if (!nothing || when === "error") throw error;
    if (when === "warn") core.warning(failureText(error), { title });
    else say(`${title}: ${error.message}`);
    await writeSummary(nothingSummary(title, error.message));
    return undefined;
  }
}
