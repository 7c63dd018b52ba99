import { type Dirent, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** `HOST.PID.INSTANCE.NUMBER.KIND`, as temporary files are called. */
const TEMPORARY = /^[0-9a-f]{12}\.\d+\.[0-9a-f]{8}\.\d+\.(?:data|meta)$/;
const META = join(".restbackup", "meta");

/**
 * What does not belong in the data folder of a server that is at rest: temporary files, locks,
 * entries without a record and records without an entry. Paths relative to the folder.
 */
export function litterIn(dataDir: string): string[] {
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  const pathOf = (entry: Dirent) => relative(dataDir, join(entry.parentPath, entry.name));
  const temporary = files.filter(
    ({ name, parentPath }) =>
      TEMPORARY.test(name) || /^lock\b/.test(name) || parentPath.endsWith(`.restbackup${sep}tmp`),
  );
  const paths = files.filter((entry) => !temporary.includes(entry)).map(pathOf);
  const archives = paths.filter((path) => path.startsWith(`archives${sep}`));
  const records = new Set(
    archives.filter((path) => path.includes(META)).map((path) => path.replace(META + sep, "")),
  );
  const entries = new Set(archives.filter((path) => !path.includes(`.restbackup${sep}`)));
  return [
    ...temporary.map(pathOf),
    ...[...entries].filter((path) => !records.has(path)).map((path) => `no record: ${path}`),
    ...[...records].filter((path) => !entries.has(path)).map((path) => `no entry: ${path}`),
  ];
}
