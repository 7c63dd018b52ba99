import { parseName } from "../naming.ts";
import { encodeObjectPath } from "../stores/object-name.ts";
import { ageInWords, countInWords, sizeInWords } from "../words.ts";
import { documentHtml, MARK } from "./page.ts";
import type { Cursor, PageBackup, PageContent } from "./page-content.ts";
import { emptyHtml, joinHtml, restoreHtml } from "./page-help.ts";
import {
  dayHtml,
  escapeHtml,
  type Html,
  momentHtml,
  nameHtml,
  remainingInWords,
} from "./page-text.ts";

/** Of one name so many are shown at once, and more only behind a click. */
const UNFOLDED = 12;
const SHOWN_WHEN_FOLDED = 8;
/** Of one set of volumes so many are linked. */
const MAX_VOLUMES = 2000;
/** What expires within so many seconds is pointed out. */
const SOON = 7 * 86_400;

export interface BackupsPage {
  readonly content: PageContent;
  /** Whether this is not the first page. */
  readonly continued: boolean;
  /** `https://backup.example`, as the client reached the server. */
  readonly origin: string;
  readonly username: string;
  readonly retentionDays: number;
  /** Unix seconds. */
  readonly now: number;
  /** When the session ends by itself, in Unix seconds; undefined when credentials were given. */
  readonly expires?: number | undefined;
}

/** The page of an account's backups, grouped by name. Needs no script and nothing from elsewhere. */
export function backupsPage(page: BackupsPage): Html {
  const { content, continued, origin, now } = page;
  const groups = groupByName(content.backups);
  const host = new URL(origin).host;
  const main = [
    groups.length > 1 ? namesHtml(groups, now) : "",
    ...groups.map((group, index) => groupHtml(group, index, now)),
    pagesHtml(content.next, continued),
    content.files === 0 ? emptyHtml(page) : restoreHtml(page),
  ];
  return documentHtml(
    `Backups on ${host}`,
    `<a class="skip" href="#backups">Skip to the backups</a>
<header>
<p class="host">${MARK} ${escapeHtml(host)}</p>
<h1>Backups</h1>
<p class="lead">${leadHtml(page)}</p>
${sessionHtml(page)}</header>
<main id="backups" tabindex="-1">
${main.join("")}
</main>
<footer><p>Times are in UTC. What is stored here can be neither changed nor deleted before it expires.</p></footer>`,
  );
}

interface Group {
  /** Undefined for files whose names say nothing. */
  readonly name: string | undefined;
  readonly backups: PageBackup[];
}

/** The group with the newest backup first; files whose names say nothing last. */
function groupByName(backups: readonly PageBackup[]): Group[] {
  const groups = new Map<string | undefined, Group>();
  for (const backup of backups) {
    const group = groups.get(backup.name);
    if (group === undefined) groups.set(backup.name, { name: backup.name, backups: [backup] });
    else group.backups.push(backup);
  }
  const others = groups.get(undefined);
  groups.delete(undefined);
  return [...groups.values(), ...(others === undefined ? [] : [others])];
}

function leadHtml({ content, continued, retentionDays, now }: BackupsPage): Html {
  const kept = `Each is kept for ${countInWords(retentionDays, "day")}.`;
  if (content.files === 0) return `There are no backups yet. ${kept}`;
  const [newest] = content.backups;
  const last =
    newest === undefined || continued
      ? ""
      : `The newest was stored <strong>${ageInWords(now - newest.createtime)}</strong>. `;
  const total = `${countInWords(content.files, "file")}, ${sizeInWords(content.bytes)} in all. `;
  return last + total + kept;
}

function sessionHtml({ expires, now }: BackupsPage): Html {
  if (expires === undefined) return "";
  return `<section class="session" aria-label="Session">
<p>This address works without a password until ${momentHtml(expires)} (${remainingInWords(expires - now)}). Whoever has it can download the backups.</p>
<form method="post" action="./"><button name="x-http-method-override" value="ENDSESSION">End this session</button></form>
</section>
`;
}

function namesHtml(groups: readonly Group[], now: number): Html {
  const items = groups.map(
    ({ name, backups }, index) =>
      `<li><a href="#n${index}">${headingHtml(name)} <span class="soft">${ageInWords(now - backups[0]!.createtime)}</span></a></li>`,
  );
  return `<nav aria-label="Names"><ul class="names">\n${items.join("\n")}\n</ul></nav>\n`;
}

function headingHtml(name: string | undefined): Html {
  return name === undefined ? `<span class="name">Other files</span>` : nameHtml(name);
}

function groupHtml({ name, backups }: Group, index: number, now: number): Html {
  const folds = backups.length > UNFOLDED;
  const shown = folds ? backups.slice(0, SHOWN_WHEN_FOLDED) : backups;
  const folded = backups.slice(shown.length);
  const noun = name === undefined ? "file" : "backup";
  const size = sizeInWords(backups.reduce((sum, backup) => sum + backup.size, 0));
  const of = `<span class="hidden"> of ${name === undefined ? "other kinds" : nameHtml(name)}</span>`;
  const caption = `${countInWords(backups.length, noun)}${of}, ${size}, newest first`;
  const older = `${countInWords(folded.length, `older ${noun}`)}${of}`;
  return `<section aria-labelledby="n${index}">
<h2 id="n${index}">${headingHtml(name)}</h2>
${tableHtml(caption, shown, now)}${
  folds
    ? `<details class="older"><summary>${older}</summary>\n${tableHtml(`<span class="hidden">${older}</span>`, folded, now)}</details>\n`
    : ""
}</section>
`;
}

/** Roles are stated since narrow screens lay rows out otherwise, and browsers would drop them. */
function tableHtml(caption: Html, backups: readonly PageBackup[], now: number): Html {
  return `<table role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader" class="when">Stored</th><th scope="col" role="columnheader" class="size">Size</th><th scope="col" role="columnheader" class="kept">Kept until</th><th scope="col" role="columnheader" class="file">File</th></tr></thead>
<tbody role="rowgroup">
${backups.map((backup) => rowHtml(backup, now)).join("\n")}
</tbody>
</table>
`;
}

function rowHtml(backup: PageBackup, now: number): Html {
  const { createtime, deletetime, size } = backup;
  const age = `<span class="aside">${ageInWords(now - createtime)}</span>`;
  return `<tr role="row"><th scope="row" role="rowheader" class="when">${momentHtml(createtime)} ${age}</th><td role="cell" class="size">${sizeInWords(size)}</td><td role="cell" class="kept">${keptHtml(deletetime, now)}</td><td role="cell" class="file">${filesHtml(backup)}</td></tr>`;
}

function keptHtml(deletetime: number | undefined, now: number): Html {
  if (deletetime === undefined) return "no end";
  const left = deletetime - now;
  const soon = left < SOON ? " soon" : "";
  return `${dayHtml(deletetime)} <span class="aside${soon}">${remainingInWords(left)}</span>`;
}

function filesHtml(backup: PageBackup): Html {
  const { entry, objects, complete } = backup;
  const [first] = objects;
  if (complete && objects.length === 1 && first !== undefined) return downloadHtml(first.name);
  const count = countInWords(objects.length, "volume");
  const listed = objects.slice(0, MAX_VOLUMES);
  const items = listed.map((volume) => `<li>${volumeHtml(volume, entry)}</li>`);
  const rest =
    objects.length > listed.length
      ? `<p>The JSON listing names the other ${objects.length - listed.length}.</p>`
      : "";
  const flag = complete
    ? ""
    : `<span class="aside"><strong class="flag">Incomplete</strong> ${faultOf(objects)}</span>`;
  return `${nameHtml(entry)} ${flag}<details><summary>${count}<span class="hidden"> of ${nameHtml(entry)}</span></summary>
<ol class="volumes">
${items.join("\n")}
</ol>${rest}
${complete ? joinHtml(backup) : ""}</details>`;
}

/** The texts of links say what they download, in full. */
function downloadHtml(name: string): Html {
  return `<a ${targetHtml(name)}>${nameHtml(name)}</a>`;
}

function volumeHtml({ name, size }: PageBackup["objects"][number], entry: string): Html {
  const number = escapeHtml(name.slice(entry.length + 1));
  return `<a ${targetHtml(name)}><span><span class="hidden">${nameHtml(entry)}.</span>${number}</span> <span class="soft">${sizeInWords(size)}</span></a>`;
}

function targetHtml(name: string): Html {
  const file = name.slice(name.lastIndexOf("/") + 1);
  return `href="${escapeHtml(`.${encodeObjectPath(name)}`)}" download="${escapeHtml(file)}"`;
}

/** Why a set of volumes is not whole. */
function faultOf(objects: PageBackup["objects"]): string {
  const volumes = objects.map(({ name }) => parseName(name)!);
  const numbers = new Set(volumes.map(({ volume }) => volume));
  const gap = volumes.findIndex((_, index) => !numbers.has(index));
  if (gap >= 0) return `Volume ${String(gap).padStart(3, "0")} is not there.`;
  return volumes.some(({ last }) => last)
    ? "There are volumes that do not belong together."
    : "The last volume is not there: the backup is still running, or was interrupted.";
}

function pagesHtml(next: Cursor | undefined, continued: boolean): Html {
  const links = [
    ...(continued ? [`<a href="./">Newest backups</a>`] : []),
    ...(next === undefined
      ? []
      : [
          `<a href="?before=${next.createtime}/${encodeURIComponent(next.entry)}">Older backups</a>`,
        ]),
  ];
  return links.length === 0
    ? ""
    : `<nav class="pages" aria-label="Pages">${links.join(" ")}</nav>\n`;
}
