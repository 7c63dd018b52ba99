import { execFileSync, spawnSync } from "node:child_process";
import fs, { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { encryptChlorocrypt } from "../../src/encryption/chlorocrypt.ts";
import { type Seen, treeOf } from "../support/trees.ts";

/** A website over eleven days, archived each day as the older tools did it. */

export interface DailyChain {
  /** File names `website-20100521T110003Z-full.tar.gz`, `-inc1`, ..., in `folder`. */
  readonly names: readonly string[];
  readonly folder: string;
  /** The website as GNU tar itself restores it to each day. */
  readonly states: readonly Map<string, Seen>[];
}

export const BASE = "website-20100521T110003Z";
export const PASSPHRASE = "old passphrase";

/** What happened each day, on the website's folder. */
const DAYS: readonly ((at: (path: string) => string) => void)[] = [
  (at) => {
    for (const path of ["docs/old", "images", "empty", "cgi-bin/lib"]) {
      fs.mkdirSync(at(path), { recursive: true });
    }
    fs.writeFileSync(at("index.html"), "<h1>hello</h1>\n");
    for (let page = 0; page < 20; page++) fs.writeFileSync(at(`docs/${page}.html`), `${page}`);
    fs.writeFileSync(at("docs/old/1999.html"), "party");
    fs.writeFileSync(at("images/big.png"), Buffer.alloc(300_000, 7));
    fs.writeFileSync(at("cgi-bin/form.cgi"), "#!/bin/sh\n", { mode: 0o755 });
    fs.linkSync(at("index.html"), at("images/index.html"));
    fs.symlinkSync("index.html", at("home.html"));
  },
  (at) => {
    fs.appendFileSync(at("index.html"), "<p>news</p>\n");
    fs.unlinkSync(at("docs/3.html"));
    fs.writeFileSync(at("new\nline é 🦀"), "odd name");
    fs.writeFileSync(at(`docs/${"long".repeat(60)}`), "long name");
  },
  (at) => {
    fs.renameSync(at("docs/old"), at("docs/archive"));
    fs.renameSync(at("docs/4.html"), at("docs/four.html"));
  },
  (at) => {
    // From file to folder, from folder to file, from link to file and the other way round.
    fs.unlinkSync(at("docs/5.html"));
    fs.mkdirSync(at("docs/5.html"));
    fs.writeFileSync(at("docs/5.html/part"), "of five");
    fs.rmdirSync(at("empty"));
    fs.writeFileSync(at("empty"), "no more");
    fs.unlinkSync(at("home.html"));
    fs.writeFileSync(at("home.html"), "of its own");
    fs.unlinkSync(at("docs/6.html"));
    fs.symlinkSync("7.html", at("docs/6.html"));
  },
  (at) => {
    fs.chmodSync(at("cgi-bin/form.cgi"), 0o700);
    fs.chmodSync(at("cgi-bin"), 0o750);
    fs.linkSync(at("docs/7.html"), at("docs/seven.html"));
  },
  (at) => {
    const fd = fs.openSync(at("database"), "w");
    fs.writeSync(fd, "head", 0);
    fs.writeSync(fd, "tail", 3 * 2 ** 20);
    fs.ftruncateSync(fd, 4 * 2 ** 20);
    fs.closeSync(fd);
  },
  (at) => fs.renameSync(at("docs/archive"), at("images/archive")),
  (at) => {
    fs.rmSync(at("cgi-bin"), { recursive: true });
    fs.unlinkSync(at("images/index.html"));
  },
  (at) => {
    fs.writeFileSync(at("database"), "small again");
    fs.utimesSync(at("docs/8.html"), 1_000_000_000, 1_000_000_000);
    fs.unlinkSync(at("docs/seven.html"));
  },
  (at) => {
    fs.renameSync(at("docs"), at("pages"));
    fs.writeFileSync(at("pages/9.html"), "nine, again");
  },
  (at) => {
    fs.rmSync(at("docs"), { recursive: true, force: true });
    fs.rmSync(at("images"), { recursive: true });
    fs.unlinkSync(at("new\nline é 🦀"));
  },
];

/** Makes the chain with the real GNU tar and gzip, in a new folder below `parent`. */
export async function makeDailyChain(
  parent: string,
  { format = "gnu", encrypted = false }: { format?: "gnu" | "posix"; encrypted?: boolean } = {},
): Promise<DailyChain> {
  const folder = fs.mkdtempSync(join(parent, "chain-"));
  const website = join(folder, "tree");
  const byTar = join(folder, "by-tar");
  fs.mkdirSync(website);
  fs.mkdirSync(byTar);
  const names: string[] = [];
  const states: Map<string, Seen>[] = [];
  for (const [level, happened] of DAYS.entries()) {
    happened((path) => join(website, path));
    execFileSync("sleep", ["0.03"]);
    const name = `${BASE}-${level === 0 ? "full" : `inc${level}`}.tar.gz`;
    const archive = join(folder, name);
    execFileSync("tar", [
      ...["--create", "--gzip", "--sparse", `--format=${format}`, "--file", archive],
      ...[`--listed-incremental=${join(folder, "snapshot")}`, "--directory", website, "."],
    ]);
    execFileSync("sleep", ["0.03"]);
    extractWithTar(archive, byTar);
    names.push(name);
    states.push(treeOf(byTar));
    if (encrypted) await encrypt(archive);
  }
  return { names, folder, states };
}

function extractWithTar(archive: string, target: string): void {
  const { status, stderr } = spawnSync("tar", [
    ...["--extract", "--listed-incremental=/dev/null", "--file", archive],
    ...["--preserve-permissions", "--no-same-owner", "--directory", target],
  ]);
  if (status !== 0) throw new Error(`tar could not restore its own archive: ${stderr}`);
}

async function encrypt(file: string): Promise<void> {
  const encrypted = Readable.from(encryptChlorocrypt(createReadStream(file), PASSPHRASE));
  await pipeline(encrypted, createWriteStream(`${file}.new`));
  fs.renameSync(`${file}.new`, file);
}
