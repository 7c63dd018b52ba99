import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metafile } from "esbuild";

const LICENSE_FILE = /^(licen[cs]e|copying|notice)([-.].*)?$/i;

/**
 * The licence texts of all packages that have code in a build, as one text in a stable order.
 * Throws when a package brings none: then we may not ship it.
 */
export async function collectLicenses(root: string, metafile: Metafile): Promise<string> {
  const sections: string[] = [];
  for (const folder of packageFolders(metafile)) sections.push(await section(join(root, folder)));
  return `restbackup contains code of the packages below.\n\n${[...new Set(sections)].join("\n")}`;
}

/** Folders of packages with at least one byte in the output, sorted. */
function packageFolders({ outputs }: Metafile): string[] {
  const folders = new Set<string>();
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
    }
  }
  return [...folders].sort();
}

async function section(folder: string): Promise<string> {
  const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((name) => LICENSE_FILE.test(name)).sort();
  if (files.length === 0)
    throw new Error(`${about.name} has no licence text and cannot be bundled`);
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  const body = texts.map((text) => text.replaceAll(/\r\n?/g, "\n").trim()).join("\n\n");
  return `${"-".repeat(80)}\n${about.name} ${about.version} (${about.license})\n\n${body}\n`;
}
