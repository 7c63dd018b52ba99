import { legacyName, parseLegacyName, parseName } from "../naming.ts";
import { encodeObjectPath } from "../stores/object-name.ts";
import { quoted } from "../words.ts";
import type { BackupsPage } from "./page-backups.ts";
import type { PageBackup } from "./page-content.ts";
import { escapeHtml, type Html } from "./page-text.ts";

/** How to join a set's volumes, once they are downloaded. */
export function joinHtml({ entry, objects }: PageBackup): Html {
  const file = argument(baseName(entry));
  return `<p>Download all of them into one folder. Joined in the order of their numbers they are the archive:</p>
${commands(`cat ${inOrder(file, objects.length)} > ${file}`)}`;
}

/** All volumes for a shell. From 1000 on their numbers grow longer, and names no longer sort by them. */
function inOrder(file: string, volumes: number): string {
  return volumes > 1000 ? `$(ls -v ${file}.*)` : `${file}.*`;
}

/** How to get a backup of this page back with stock tools, in commands that can be copied. */
export function restoreHtml(page: BackupsPage): Html {
  const { backups } = page.content;
  const ours = backups.find(({ entry, complete }) => complete && parseName(entry) !== undefined);
  const legacy = backups.map(({ entry }) => parseLegacyName(entry));
  const parts = [
    ours === undefined ? "" : archiveHtml(ours, page),
    tarHtml(legacy.find((parsed) => parsed !== undefined && parsed.base === undefined)?.entry),
    chainHtml(legacy.find((parsed) => parsed?.base !== undefined)?.base),
  ].join("");
  if (parts === "") return "";
  return `<section class="how" aria-labelledby="how">
<h2 id="how">How to get a backup back</h2>
${parts}</section>`;
}

function archiveHtml({ entry, objects }: PageBackup, page: BackupsPage): Html {
  const { origin, username, expires } = page;
  const inVolumes = objects[0]?.name !== entry;
  const unpack = "age -d -i key.txt | zstd -d | tar xp";
  const file = argument(baseName(entry));
  const files = inVolumes ? inOrder(file, objects.length) : file;
  const url = argument(origin + encodeObjectPath(entry));
  const direct =
    inVolumes || expires !== undefined
      ? ""
      : `<p>Or without storing it in between; curl asks for the password:</p>
${commands(`curl -f -u ${username} ${url} |`, `  ${unpack}`)}
`;
  return `<ol>
<li>Download it into an empty folder${inVolumes ? ", all of its volumes" : ""}, and put your key there as <code>key.txt</code>.</li>
<li>In that folder, with <code>age</code>, <code>zstd</code> and <code>tar</code>, here for the newest one:
${commands(`cat ${files} | ${unpack}`)}</li>
<li>If one of them complains, do not take what was unpacked for whole.</li>
</ol>
${direct}<p>With a passphrase instead of a key leave <code>-i key.txt</code> out. <code>restbackup restore</code> does all of this, and also checks every file and who wrote the backup.</p>
`;
}

/** For an archive that older tools made, if there is one. */
function tarHtml(entry: string | undefined): Html {
  if (entry === undefined) return "";
  return `<p>Files that end in <code>.tar.gz</code> unpack with tar alone, unless they were encrypted too:</p>
${commands(`tar xzpf ${argument(baseName(entry))}`)}
`;
}

/** For a chain of incremental archives that older tools made, if there is one. */
function chainHtml(base: string | undefined): Html {
  if (base === undefined) return "";
  const unpack = (level: number) =>
    `tar --listed-incremental=/dev/null -xzpf ${argument(baseName(legacyName(base, level)))}`;
  return `<p>Of incremental archives unpack the full one, then each increment in turn, in one folder:</p>
${commands(unpack(0), unpack(1))}
`;
}

/** What to do when there is nothing yet. */
export function emptyHtml({ origin, username, expires }: BackupsPage): Html {
  if (expires !== undefined) {
    return `<section class="how" aria-labelledby="how">
<h2 id="how">No backups yet</h2>
<p>Once there is one, this page shows it and lets you download it.</p>
</section>`;
  }
  const accessUrl = origin.replace("://", `://${username}:PASSWORD@`);
  return `<section class="how" aria-labelledby="how">
<h2 id="how">How to make the first backup</h2>
<p>On the machine whose files you want to keep, with your password in place of PASSWORD:</p>
${commands(
  "restbackup keygen -o key.txt",
  `export RESTBACKUP_ACCESS_URL=${accessUrl}/`,
  "restbackup backup ~/website --key-file key.txt",
)}
<p>Keep a copy of <code>key.txt</code> somewhere else: without it nobody can read the backup, you included.</p>
<p>Or with <code>curl</code> alone, not encrypted; it asks for the password:</p>
${commands("tar czf website.tar.gz website", `curl -u ${username} -T website.tar.gz ${origin}/`)}
</section>`;
}

function commands(...lines: string[]): Html {
  return `<pre><code>${lines.map(escapeHtml).join("\n")}</code></pre>`;
}

/** A name for a shell, never an option. */
function argument(name: string): string {
  return quoted(name.startsWith("-") ? `./${name}` : name, "linux");
}

/** What a download is called. */
function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
