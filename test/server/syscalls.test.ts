import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { startServerProcess, temporaryFolder } from "../support/server.ts";
import { send } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { seededBytes } from "./support/seeded.ts";
import {
  callsLike,
  happensBefore,
  parseStrace,
  type SystemCall,
  straceProcess,
} from "./support/system-calls.ts";

const hasStrace = requireProgram("strace", "the server syncs before it answers 201");
const FILE_CALLS =
  "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,utimensat,link,linkat,rename,renameat,renameat2,mkdir,unlink,ftruncate,sendto,sendmsg";

/** What the server process calls while `upload` runs; the paths below its archives begin with `ROOT`. */
async function traceUploads(
  tls: boolean,
  upload: (server: Awaited<ReturnType<typeof startServerProcess>>) => Promise<void>,
): Promise<SystemCall[]> {
  const dataDir = temporaryFolder("traced");
  const server = await startServerProcess({ tls, dataDir });
  // The first login of a process hashes the password, which is of no interest here.
  await send(server, "GET", "/");
  const strace = await straceProcess(server.pid, ["-s", "1000", "-e", `trace=${FILE_CALLS}`]);
  await upload(server);
  const calls = await strace.stop();
  await server.close();
  await rm(dataDir, { recursive: true });
  return calls.map((call) => ({ ...call, text: call.text.replaceAll(server.archives, "ROOT") }));
}

/** The system's work on one upload, as the promise of durability has it. */
function checkOrder(calls: readonly SystemCall[], name: string, answered: SystemCall): void {
  const place = join("ROOT", name.replaceAll("/", ".d/"));
  const record = join("ROOT/.restbackup/meta", name.replaceAll("/", ".d/"));
  const one = (pattern: RegExp): SystemCall => {
    const found = callsLike(calls, pattern);
    expect(found, String(pattern)).toHaveLength(1);
    return found[0]!;
  };
  const link = one(new RegExp(`^link(?:at)?\\(.*"ROOT/.restbackup/tmp/[^"]*".*"${place}"`));
  const temporary = /tmp\/([^"]*)\.data"/.exec(link.text)![1]!;
  const file = (kind: string) => `\\d+<ROOT/.restbackup/tmp/${temporary}\\.${kind}>`;
  const renamed = one(new RegExp(`^rename.*"ROOT/.restbackup/tmp/${temporary}.meta".*"${record}"`));

  const writes = callsLike(calls, new RegExp(`^p?writev?(?:64|2)?\\(${file("data")}`));
  const dated = one(new RegExp(`^utimensat\\(${file("data")}`));
  const synced = callsLike(calls, new RegExp(`^fsync\\(${file("data")}`)).at(-1)!;
  const recordWrites = callsLike(calls, new RegExp(`^p?write(?:64)?\\(${file("meta")}`));
  const recordSynced = one(new RegExp(`^f(?:data)?sync\\(${file("meta")}`));
  for (const write of [...writes, dated]) expect(happensBefore(write, synced)).toBe(true);
  for (const write of recordWrites) expect(happensBefore(write, recordSynced)).toBe(true);
  expect(happensBefore(synced, link)).toBe(true);
  expect(happensBefore(recordSynced, renamed)).toBe(true);
  // The data file beside its record proves the link: both must be there when a crash comes.
  expect(happensBefore(recordSynced, link)).toBe(true);

  const syncedBetween = (folder: string, entry: SystemCall): boolean =>
    calls.some(
      (call) =>
        call.text.startsWith("fsync(") &&
        call.text.includes(`<${folder}>`) &&
        happensBefore(entry, call) &&
        happensBefore(call, answered),
    );
  const foldersOf = (path: string, top: string): string[] => {
    const parts = path.slice(top.length + 1).split("/");
    return parts.map((_, depth) => [top, ...parts.slice(0, depth)].join("/"));
  };
  for (const folder of foldersOf(place, "ROOT")) {
    expect(syncedBetween(folder, link), `${folder} is synced after the link`).toBe(true);
  }
  for (const folder of foldersOf(record, "ROOT/.restbackup/meta")) {
    expect(syncedBetween(folder, renamed), `${folder} is synced after the record`).toBe(true);
  }
}

/** The answer to an upload as it goes out; over TLS it cannot be read, and is the last thing sent. */
function answerTo(calls: readonly SystemCall[], name: string, tls: boolean): SystemCall {
  if (tls) return callsLike(calls, /^(?:writev?|sendto|sendmsg)\(\d+<(?:socket|TCP)/).at(-1)!;
  const answers = callsLike(calls, new RegExp(`^writev?\\(.*HTTP/1\\.1 201.*Stored /${name}\\\\n`));
  expect(answers).toHaveLength(1);
  return answers[0]!;
}

test.skipIf(!hasStrace).each([false, true])(
  "data, record, link and every folder are on the disk before 201 goes out (TLS: %s)",
  async (tls) => {
    const calls = await traceUploads(tls, async (server) => {
      const body = seededBytes("traced", 3_000_000);
      expect((await send(server, "PUT", "/daily/site", { body })).status).toBe(201);
    });
    checkOrder(calls, "daily/site", answerTo(calls, "daily/site", tls));
  },
);

test.skipIf(!hasStrace)("the order holds for each of many uploads at once", async () => {
  const names = Array.from({ length: 24 }, (_, index) => `many/${index % 3}/entry-${index}`);
  const calls = await traceUploads(false, async (server) => {
    await Promise.all(
      names.map(async (name) => {
        const body = seededBytes(name, 50_000);
        expect((await send(server, "PUT", `/${name}`, { body })).status).toBe(201);
      }),
    );
  });
  for (const name of names) checkOrder(calls, name, answerTo(calls, name, false));
  // Uploads that wait for the same folder share its syncs.
  const syncsOfRoot = callsLike(calls, /^fsync\(\d+<ROOT>/);
  expect(syncsOfRoot.length).toBeLessThan(names.length);
});

test.skipIf(!hasStrace)(
  "a disk that fails to take what it was given early is not believed when a later sync succeeds",
  async () => {
    const dataDir = temporaryFolder("failing");
    const server = await startServerProcess({ dataDir });
    await send(server, "GET", "/");
    const body = seededBytes("failing", 30_000_000);
    const strace = await straceProcess(server.pid, [
      ...["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"],
    ]);
    const failed = await send(server, "PUT", "/failing", { body });
    await strace.stop();
    expect(failed.status).toBe(500);
    expect(litterIn(dataDir)).toEqual([]);
    expect((await send(server, "HEAD", "/failing")).status).toBe(404);
    expect((await send(server, "PUT", "/failing", { body })).status).toBe(201);
    await server.close();
    await rm(dataDir, { recursive: true });
  },
);

test("calls of several threads are put in order by when they began and ended", () => {
  const calls = parseStrace(
    [
      "7 fsync(5</a> <unfinished ...>",
      '8 link("/a", "/b") = 0',
      "7 <... fsync resumed>) = 0",
      '8 link("/a", "/c") = -1 EEXIST (File exists)',
      '7 write(9<socket:[1]>, "HTTP/1.1 201"..., 40) = 40',
    ].join("\n"),
  );
  expect(calls.map(({ text }) => text)).toEqual([
    'link("/a", "/b") = 0',
    "fsync(5</a>) = 0",
    'write(9<socket:[1]>, "HTTP/1.1 201"..., 40) = 40',
  ]);
  const [link, fsync, write] = calls as [SystemCall, SystemCall, SystemCall];
  expect(happensBefore(fsync, link)).toBe(false);
  expect(happensBefore(link, fsync)).toBe(false);
  expect(happensBefore(fsync, write)).toBe(true);
});
