import type { ContentsTotals } from "../archive/contents.ts";
import type { TarMember } from "../archive/gnu-tar/reader.ts";
import type { ArchiveEntry } from "../operations/entries.ts";
import { restoreLegacy, showLegacy, verifyLegacy } from "../operations/legacy.ts";
import type { Authenticity } from "../operations/restore.ts";
import { countInWords, durationInWords, sizeInWords, visible } from "../words.ts";
import type { LegacyReading } from "./commands/reading.ts";
import { entryLine } from "./commands/show.ts";
import type { Context } from "./context.ts";
import { olderJson } from "./legacy-words.ts";
import { createdInWords, table, totalsInWords, writerInWords } from "./present.ts";
import { progressOf } from "./progress.ts";

/** The reading commands, for archives of older tools. */

/** What `restore` was told besides which archive. */
interface RestoreFlags {
  readonly to: string;
  readonly include?: readonly string[] | undefined;
  readonly overwrite?: boolean | undefined;
  readonly sameOwner?: boolean | undefined;
  readonly allowUnauthenticated?: boolean | undefined;
  readonly maxBytes: number | undefined;
}

export async function restoreOlder(
  context: Context,
  { legacy, store, passphrase, signal }: LegacyReading,
  flags: RestoreFlags,
): Promise<void> {
  const { output } = context;
  output.notice(`Restoring from ${store.description}`);
  const begun = performance.now();
  const result = await restoreLegacy({
    store,
    passphrase,
    signal,
    entry: legacy.entry,
    to: flags.to,
    include: flags.include,
    overwrite: flags.overwrite,
    sameOwner: flags.sameOwner,
    allowUnauthenticated: flags.allowUnauthenticated,
    maxBytes: flags.maxBytes,
    onProgress: progressOf(context),
  });
  for (const warning of result.warnings) output.warn(visible(warning));
  const seconds = (performance.now() - begun) / 1000;
  const { archive, to, totals, authenticity, applied, warnings } = result;
  await output.summary(
    [
      `Restored ${visible(archive.entry)}`,
      ...table([
        ["to", visible(to)],
        ["holds", totalsInWords(totals)],
        ["from", chainInWords(archive)],
        ["stored", `${createdInWords(archive.createtime)} at ${store.description}`],
        ["written by", provenInWords(authenticity)],
        ["checked", CHECKED],
        ["took", durationInWords(seconds)],
        ...(warnings.length === 0 ? [] : [["warnings", `${warnings.length}, above`] as const]),
      ]),
    ],
    {
      ...olderJson(archive),
      store: store.description,
      to,
      totals,
      authenticity,
      applied,
      warnings,
      seconds,
    },
  );
}

export async function verifyOlder(
  context: Context,
  { legacy, passphrase, ...reading }: LegacyReading,
  flags: { readonly maxAge: number | undefined; readonly allowUnauthenticated?: boolean },
): Promise<void> {
  const { output } = context;
  const { store } = reading;
  const begun = performance.now();
  const result = await verifyLegacy({
    ...reading,
    passphrase,
    maxAge: flags.maxAge,
    allowUnauthenticated: flags.allowUnauthenticated,
    onProgress: progressOf(context),
  });
  for (const warning of result.warnings) output.warn(visible(warning));
  const seconds = (performance.now() - begun) / 1000;
  const { archive, totals, authenticity, applied, warnings } = result;
  await output.summary(
    [
      `Verified ${visible(archive.entry)}: it can be unpacked`,
      ...table([
        ["read", `${chainInWords(archive)}: ${totalsInWords(totals)}`],
        ["stored", storedInWords(archive, store.description)],
        ["written by", provenInWords(authenticity)],
        ["checked", CHECKED],
        ["took", durationInWords(seconds)],
      ]),
    ],
    {
      ...olderJson(archive),
      store: store.description,
      totals,
      authenticity,
      applied,
      warnings,
      seconds,
    },
  );
}

/** What `show` prints: a header, members as they come, and what they add up to. */
export async function* showOlder(
  { legacy, store, passphrase, signal }: LegacyReading,
  json: boolean,
): AsyncGenerator<string> {
  const shown = await showLegacy({ store, passphrase, signal, entry: legacy.entry });
  const { archive, authenticity, entries } = shown;
  const totals = { files: 0, directories: 0, links: 0, bytes: 0 };
  if (!json) {
    const rows = table([
      [
        "holds",
        archive.legacy!.level === 0 ? "all there was" : "what changed since the one before",
      ],
      ["stored", storedInWords(archive, store.description)],
      ["written by", provenInWords(authenticity)],
    ]);
    yield `${[visible(archive.entry), ...rows].join("\n")}\n\n`;
    for await (const member of entries) {
      count(totals, member);
      yield `${memberLine(member)}\n`;
    }
    yield `\n${totalsInWords(totals)}. Checked: ${CHECKED}.\n`;
    return;
  }
  const head = { ...olderJson(archive), store: store.description, authenticity };
  yield `${JSON.stringify(head).slice(0, -1)},"entries":[`;
  let separator = "";
  for await (const member of entries) {
    count(totals, member);
    yield `${separator}\n${JSON.stringify(memberJson(member))}`;
    separator = ",";
  }
  yield `\n],"totals":${JSON.stringify(totals)}}\n`;
}

/** All that gzip and tar have. */
const CHECKED =
  "gzip's checksum and the headers of tar, which is all it can prove; it holds no digest of any file";

function chainInWords({ legacy }: ArchiveEntry): string {
  const { level } = legacy!;
  return level === 0 ? "one archive" : `a full archive and ${countInWords(level, "increment")}`;
}

function storedInWords({ size, createtime }: ArchiveEntry, store: string): string {
  return `${sizeInWords(size)}, ${createdInWords(createtime)} at ${store}`;
}

function provenInWords(authenticity: Authenticity): string {
  return authenticity.by === "key"
    ? "someone who knows the passphrase, proven"
    : writerInWords(authenticity);
}

function count(totals: { -readonly [K in keyof ContentsTotals]: number }, member: TarMember): void {
  if (member.kind === "directory") totals.directories += 1;
  else if (member.kind === "file") totals.files += 1;
  else if (member.kind !== "special") totals.links += 1;
  totals.bytes += member.size;
}

function memberLine(member: TarMember): string {
  const path = member.path.replace(/(?<=.)\/+$/, "");
  if (member.kind !== "special") return entryLine({ ...member, type: member.kind, path });
  return `${entryLine({ ...member, type: "file", path })}  (a device or pipe, never restored)`;
}

function memberJson({ path, kind, mode, uid, gid, mtime, size, target }: TarMember) {
  return {
    path,
    type: kind,
    mode,
    mtime,
    uid,
    gid,
    ...(kind === "file" ? { size } : {}),
    ...(kind === "symlink" || kind === "hardlink" ? { target } : {}),
  };
}
