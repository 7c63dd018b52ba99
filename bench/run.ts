import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generateIdentity } from "../src/encryption/keys.ts";
import { startServerProcess } from "../test/support/server.ts";
import { measureCat } from "./cat.ts";
import { makeBigFiles, makeEmptyFiles, makeRepository, makeSmallFiles } from "./data.ts";
import { type Measured, peakOf } from "./measure.ts";
import { type Bench, backups, type Contender, restores, starts } from "./programs.ts";

/**
 * Backup and restore through `dist`, beside what a user would pick instead, round by round in one
 * run. What counts are the ratios of the medians; the seconds depend on the machine.
 *
 *     npm run bench -- [--rounds 3] [--only small,big,git,empty,cat,start] [--files 69000]
 *       [--big BYTES] [--empty 1000000] [--commits 5000] [--folder DIR] [--output docs/performance.md]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "small,big,git,empty,cat,start" },
    files: { type: "string", default: "69000" },
    big: { type: "string", default: String(650 * 2 ** 20) },
    empty: { type: "string", default: "1000000" },
    commits: { type: "string", default: "5000" },
    folder: { type: "string", default: tmpdir() },
    output: { type: "string" },
  },
});

const work = mkdtempSync(join(values.folder, "restbackup-bench-"));
process.env.TMPDIR = work;
const { identity, recipient } = await generateIdentity();
const keyFile = join(work, "key.txt");
writeFileSync(keyFile, `${identity}\n`, { mode: 0o600 });
mkdirSync(join(work, "server"));
const server = await startServerProcess({
  tls: true,
  dataDir: join(work, "server"),
  built: true,
});
const bench: Bench = { work, server, identity, recipient, keyFile };
const rounds = Number(values.rounds);
const sections: string[] = [];

const TREES: Record<string, { label: string; make: (root: string) => void; restored: boolean }> = {
  small: {
    label: `${grouped(values.files)} small files, like installed packages`,
    make: (root) => makeSmallFiles(root, Number(values.files)),
    restored: true,
  },
  big: {
    label: `${(Number(values.big) / 2 ** 20).toFixed(0)} MiB in three files, half random`,
    make: (root) => makeBigFiles(root, Number(values.big)),
    restored: true,
  },
  git: {
    label: `a git repository with ${grouped(values.commits)} commits`,
    make: (root) => makeRepository(root, Number(values.commits)),
    restored: false,
  },
  empty: {
    label: `${grouped(values.empty)} files of a few bytes`,
    make: (root) => makeEmptyFiles(root, Number(values.empty)),
    restored: false,
  },
};

try {
  for (const what of values.only.split(",")) {
    if (what === "cat") sections.push(await measureCat(bench));
    else if (what === "start") sections.push(await compare("Starting", starts(bench), 7 * rounds));
    else await compareTree(what);
  }
} finally {
  await server.close();
  rmSync(work, { recursive: true, force: true });
}

const report = `# Performance

Made by \`npm run bench\`: everything in one run, round by round, ${rounds} rounds, medians, warm cache, on a
memory file system where \`--folder\` names one. Seconds depend on the machine; ratios less so.

Machine: ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ${process.platform}, Node ${process.versions.node}.
"Our time beside it" is that of the first line divided by the program's own; over HTTPS, that of the
second line. Peak RSS is that of the heaviest process alone; ours is one process.

${sections.join("\n")}`;
console.log(`\n${report}`);
if (values.output !== undefined) writeFileSync(values.output, report);

async function compareTree(tree: string): Promise<void> {
  const made = TREES[tree];
  if (made === undefined) throw new Error(`there is no workload ${tree}`);
  made.make(join(work, tree));
  sections.push(await compare(`Backing up ${made.label}`, backups(bench, tree), rounds));
  if (made.restored) {
    sections.push(await compare(`Restoring ${made.label}`, restores(bench, tree), rounds));
  }
  rmSync(join(work, tree), { recursive: true });
}

/** One table: every contender in turn, round by round. */
async function compare(title: string, contenders: Contender[], times: number): Promise<string> {
  const runs = new Map<Contender, Measured[]>(contenders.map((contender) => [contender, []]));
  const sizes = new Map<Contender, number>();
  for (let round = 0; round < times; round++) {
    // Each goes first in turn: who comes after the heaviest finds the least in the caches.
    const turn = round % contenders.length;
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      await contender.prepare?.();
      const measured = await contender.run();
      if (measured.code !== 0) throw new Error(`${contender.name} failed: ${measured.stderr}`);
      runs.get(contender)!.push(measured);
      if (contender.output !== undefined) sizes.set(contender, sizeOf(contender.output()));
    }
    if (times === rounds) console.error(`${title}: round ${round + 1} of ${times}`);
  }
  const seconds = new Map(
    [...runs].map(([contender, all]) => [contender, median(all.map((one) => one.seconds))]),
  );
  const ours = contenders.map((contender) => seconds.get(contender)!);
  const rows = contenders.map((contender) => {
    const time = seconds.get(contender)!;
    const size = sizes.get(contender);
    const cells = [
      contender.name.replaceAll("|", "\\|"),
      time.toFixed(2),
      (ours[contender.beside ?? 0]! / time).toFixed(2),
      `${(peakOf(runs.get(contender)!) / 2 ** 20).toFixed(0)} MiB`,
      size === undefined ? "" : `${(size / 2 ** 20).toFixed(1)} MiB`,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return `## ${title}

| program | seconds | our time beside it | peak RSS | output |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

/** Bytes on disk of a file, or of all below a folder. */
function sizeOf(path: string): number {
  return Number(execFileSync("du", ["-sb", path], { encoding: "utf8" }).split("\t")[0]);
}

function grouped(count: string): string {
  return Number(count).toLocaleString("en-US");
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
