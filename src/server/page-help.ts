import { parseName } from "../naming.ts";
import { encodeObjectPath } from "../stores/object-name.ts";
import { quoted } from "../words.ts";
import type { BackupsPage } from "./page-backups.ts";
import type { PageBackup } from "./page-content.ts";
import { escapeHtml, type Html } from "./page-text.ts";

/** How to join a set's volumes, once they are downloaded. */
export function joinHtml(entry: string): Html {
  const file = argument(baseName(entry));
  return `<p>Download all of them into one folder. Joined in the order of their numbers they are the archive:</p>
${commands(`cat ${file}.* > ${file}`)}`;
}

/** How to get a backup of this page back with stock tools, in commands that can be copied. */
export function restoreHtml({ content, origin, username, expires }: BackupsPage): Html {
  const example = content.backups.find(
    ({ entry, complete }) => complete && parseName(entry) !== undefined,
  );
  const other = content.backups.find(({ name, entry }) => name !== undefined && !parseName(entry));
  const ours = example === undefined ? "" : restoreArchiveHtml(example, origin, username, expires);
  const theirs =
    other === undefined
      ? ""
      : `<p>Files that end in <code>.tar.gz</code> unpack with tar alone, unless they were encrypted too:</p>
${commands(`tar xzpf ${argument(baseName(other.entry))}`)}`;
  if (ours === "" && theirs === "") return "";
  return `<section class="how" aria-labelledby="how">
<h2 id="how">How to get a backup back</h2>
${ours}${theirs}
</section>`;
}

function restoreArchiveHtml(
  { entry, objects }: PageBackup,
  origin: string,
  username: string,
  expires: number | undefined,
): Html {
  const unpack = "age -d -i key.txt | zstd -d | tar xp";
  const inVolumes = objects.length > 1;
  const file = argument(baseName(entry));
  const command = inVolumes ? `cat ${file}.* | ${unpack}` : `cat ${file} | ${unpack}`;
  const direct = `curl -f -u ${username} ${argument(origin + encodeObjectPath(entry))} | ${unpack}`;
  return `<ol>
<li>Download it into an empty folder${inVolumes ? ", all of its volumes" : ""}, and put your key there as <code>key.txt</code>.</li>
<li>In that folder, with <code>age</code>, <code>zstd</code> and <code>tar</code>, here for the newest one:
${commands(command)}</li>
<li>If one of them complains, do not take what was unpacked for whole.</li>
</ol>
<p>With a passphrase instead of a key leave <code>-i key.txt</code> out. ${
    expires === undefined && !inVolumes
      ? `Without storing it in between (curl asks for the password):</p>
${commands(direct)}
<p>`
      : ""
  }<code>restbackup restore</code> does all of this, and also checks every file and who wrote the backup.</p>
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
<h2 id="how">No backups yet: here is how to make one</h2>
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
