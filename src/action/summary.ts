import type { ContentsWarning } from "../archive/contents.ts";
import type { BackupResult } from "../operations/backup.ts";
import type { Changes } from "../operations/changes.ts";
import type { RehearseResult } from "../operations/rehearse.ts";
import type { Authenticity, RestoreResult } from "../operations/restore.ts";
import type { SnapshotResult } from "../operations/snapshot.ts";
import {
  countInWords,
  durationInWords,
  grouped,
  quoted,
  sizeInWords,
  timeInWords,
  visible,
} from "../words.ts";

const SHOWN_WARNINGS = 50;

interface StoredWhere {
  readonly store: string;
  readonly name: string;
  readonly seconds: number;
  /** The public half of the key that signed it, if one did. */
  readonly signer?: string | undefined;
  /** What is other than in the backup before, if there is one. */
  readonly changes?: Changes | undefined;
}

/** What a backup did, in Markdown for the step's summary. */
export function backupSummary(result: BackupResult, where: StoredWhere): string {
  return page(`Backup ${code(result.entry)}`, backupParts(result, where));
}

/** What a snapshot holds and what it lacks, in Markdown for the step's summary. */
export function snapshotSummary(
  result: SnapshotResult,
  where: StoredWhere & { readonly repository: string },
): string {
  const { refs, wiki, lfs, submodules, incomplete } = result.gathered;
  const missing = incomplete.map(({ part, reason }) => `${code(part)}: ${escapeMarkdown(reason)}`);
  return page(`Snapshot ${code(result.entry)}`, [
    table([
      ["Repository", code(where.repository)],
      ["Default branch", refs.head === null ? "none" : code(refs.head)],
      ["Commit", refs.commit === null ? "none: it is empty" : code(refs.commit)],
      ["Refs", grouped(Object.keys(refs.refs).length)],
      ["Wiki", wiki === undefined ? "none" : countInWords(Object.keys(wiki.refs).length, "ref")],
      ["Git LFS", `${countInWords(lfs.objects, "object")}, ${sizeInWords(lfs.bytes)}`],
      ["Submodules", String(submodules.length)],
    ]),
    ...warningList("could not be read, and are missing", missing),
    ...backupParts(result, where),
  ]);
}

function backupParts(result: BackupResult, where: StoredWhere): string[] {
  const { totals, size, objects } = result;
  return [
    table([
      ["Kept at", code(where.store)],
      ["Taken in", timeInWords(result.createtime)],
      ["Files", filesInWords(totals)],
      [
        "Size",
        `${sizeInWords(totals.bytes)}, stored as ${sizeInWords(size)}${ratio(size, totals.bytes)}`,
      ],
      ...(where.changes === undefined ? [] : [["Changed", changesInWords(where.changes)] as const]),
      ...(objects.length > 1 ? [["Volumes", String(objects.length)] as const] : []),
      ["Time", `${durationInWords(where.seconds)}${rate(totals.bytes, where.seconds)}`],
      ["Authenticated", authenticatedInWords(result.authenticated)],
      ["SHA-256", code(result.sha256)],
    ]),
    ...contentsWarnings(result.warnings),
    "To bring it back, with `RESTBACKUP_ACCESS_URL` and `RESTBACKUP_KEY` set:",
    codeBlock(restoreCommand(result, where.name, where.signer)),
  ];
}

function changesInWords({ since, storedMore, counts }: Changes): string {
  const stored =
    storedMore === 0
      ? "as much stored"
      : `${sizeInWords(Math.abs(storedMore))} ${storedMore > 0 ? "more" : "less"} stored`;
  const parts = counts === undefined ? [] : [countsInWords(counts)];
  return `${[...parts, stored].join("; ")}; since ${code(since.entry)}`;
}

function countsInWords({ added, changed, removed }: NonNullable<Changes["counts"]>): string {
  if (added + changed + removed === 0) return "nothing";
  return `${grouped(added)} added, ${grouped(changed)} changed, ${grouped(removed)} removed`;
}

/** What a restore did, in Markdown for the step's summary. */
export function restoreSummary(
  result: RestoreResult,
  where: { readonly store: string; readonly path: string; readonly seconds: number },
): string {
  const { archive, index, totals } = result;
  const { repository, ref, commit, run } = index.source;
  const origin = [repository, ref, commit].filter((part) => part !== undefined).map(code);
  return page(`Restored ${code(archive.entry)}`, [
    table([
      ["Kept at", code(where.store)],
      ["Taken in", timeInWords(archive.createtime)],
      ...(origin.length > 0 ? [["Made from", origin.join(" ")] as const] : []),
      ...(run !== undefined ? [["Made by", code(run)] as const] : []),
      ["Into", code(where.path)],
      ["Files", filesInWords(totals)],
      ["Size", `${sizeInWords(totals.bytes)}, from ${sizeInWords(archive.size)} stored`],
      ["Time", `${durationInWords(where.seconds)}${rate(totals.bytes, where.seconds)}`],
      ["Authenticated", authenticityInWords(result.authenticity)],
    ]),
    ...restoreWarnings(result.warnings),
  ]);
}

/** What a rehearsed restore found, in Markdown for the step's summary. */
export function verifySummary(
  result: RehearseResult,
  where: {
    readonly store: string;
    readonly command: string | undefined;
    readonly seconds: number;
  },
): string {
  const { archive, totals, previous, compared } = result;
  return page(`${code(archive.entry)} can be restored`, [
    table([
      ["Kept at", code(where.store)],
      ["Taken in", timeInWords(archive.createtime)],
      ["Files", `${filesInWords(totals)}, every one restored and checked`],
      ["Size", `${sizeInWords(totals.bytes)}, from ${sizeInWords(archive.size)} stored`],
      ...(previous === undefined ? [] : [["The one before", beforeInWords(previous)] as const]),
      ...(compared === undefined
        ? []
        : [["Compared", `${countInWords(compared, "path")}, all equal`] as const]),
      ...(where.command === undefined
        ? []
        : [["Command", `${code(where.command)} succeeded`] as const]),
      ["Time", `${durationInWords(where.seconds)}${rate(totals.bytes, where.seconds)}`],
      ["Authenticated", authenticityInWords(result.authenticity)],
    ]),
    ...restoreWarnings(result.warnings),
  ]);
}

function beforeInWords({ archive, totals }: NonNullable<RehearseResult["previous"]>): string {
  return `${code(archive.entry)} held ${countInWords(totals.files, "file")}, ${sizeInWords(totals.bytes)}`;
}

/** The summary of a step that found nothing to do and was told not to mind. */
export function nothingSummary(title: string, message: string): string {
  return page(title, [escapeMarkdown(message)]);
}

/** Text as Markdown that renders as exactly that text, on one line, in fixed width. */
export function code(text: string): string {
  const line = visible(text);
  if (line === "") return "";
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  const pad = /^[` ]|[` ]$/.test(line) ? " " : "";
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** Text as Markdown that renders as exactly that text, on one line. */
function escapeMarkdown(text: string): string {
  return visible(text).replaceAll(/[\\`*_{}[\]()<>#+\-.!|~&:@]/g, "\\$&");
}

/** What to type on another machine; quoted for a POSIX shell. */
export function restoreCommand(result: BackupResult, name: string, signer?: string): string {
  const words = [
    "npx restbackup restore",
    quoted(result.entry, "linux"),
    "--to",
    quoted(`./${name}`, "linux"),
  ];
  if (!result.authenticated.includes("key")) {
    words.push(signer === undefined ? "--allow-unauthenticated" : `--trusted-signer ${signer}`);
  }
  return words.join(" ");
}

function page(title: string, parts: readonly string[]): string {
  return `### ${title}\n\n${parts.join("\n\n")}\n\n`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  // Within a table a bar ends the cell, even in code.
  const lines = rows.map(([label, value]) => `| ${label} | ${value.replaceAll("|", "\\|")} |`);
  return ["| | |", "| --- | --- |", ...lines].join("\n");
}

function codeBlock(text: string): string {
  return `\`\`\`\`sh\n${text}\n\`\`\`\``;
}

function filesInWords({ files, directories, links }: BackupResult["totals"]): string {
  const folders = `${countInWords(directories, "folder")}, ${countInWords(links, "link")}`;
  return `${grouped(files)} (and ${folders})`;
}

function ratio(stored: number, original: number): string {
  return original === 0 ? "" : ` (${Math.round((stored / original) * 100)} %)`;
}

function rate(bytes: number, seconds: number): string {
  // Below this, start-up and round trips are all that would be measured.
  return seconds < 1 || bytes < 2 ** 20 ? "" : `, ${sizeInWords(bytes / seconds)}/s`;
}

function authenticatedInWords(by: BackupResult["authenticated"]): string {
  const proofs = { key: "the secret key", signature: "the signing key" };
  if (by.length > 0) return `by ${by.map((proof) => proofs[proof]).join(" and ")}`;
  return "**no**: nothing proves who wrote it, because neither key nor signing-key was given";
}

function authenticityInWords(authenticity: Authenticity): string {
  switch (authenticity.by) {
    case "key":
      return "by the secret key";
    case "signer":
      return `by the trusted signer ${code(authenticity.signer)}`;
    case "none":
      return "**no**: restored because allow-unauthenticated is true";
  }
}

function contentsWarnings(warnings: readonly ContentsWarning[]): string[] {
  const lines = warnings.map(({ path, problem }) => `${code(path)}: ${escapeMarkdown(problem)}`);
  return warningList("could not be taken as they were", lines);
}

function restoreWarnings(warnings: readonly string[]): string[] {
  return warningList("could not be put back exactly", warnings.map(escapeMarkdown));
}

function warningList(what: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, SHOWN_WARNINGS).map((line) => `- ${line}`);
  const more = lines.length - shown.length;
  if (more > 0) shown.push(`- and ${grouped(more)} more`);
  return [`:warning: **These ${what}:**`, shown.join("\n")];
}
