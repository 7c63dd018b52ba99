import { expect, test } from "vitest";
import { defaultName } from "../src/cli/backup-name.ts";
import { movingProgress, plainProgress, progressLine } from "../src/cli/progress.ts";
import { redact } from "../src/cli/redact.ts";
import { defaultKeyFile, defaultStoreFolder } from "../src/cli/user-folders.ts";
import { checkName } from "../src/naming.ts";
import {
  ageInWords,
  durationInWords,
  grouped,
  quoted,
  sizeInWords,
  visible,
} from "../src/words.ts";

test("sizes are in powers of 1024 and never say 1024 of a unit", () => {
  const MiB = 2 ** 20;
  expect([0, 1023, 1024, 1.2 * MiB, 340 * MiB, 1024 * MiB - 1, 5e15].map(sizeInWords)).toEqual([
    ...["0 B", "1023 B", "1.0 KiB", "1.2 MiB", "340 MiB", "1.0 GiB", "4547 TiB"],
  ]);
});

test("thousands stand apart, as Intl has them", () => {
  const counts = [0, 7, 999, 1000, 12_345, 999_999, 1_000_000, Number.MAX_SAFE_INTEGER];
  expect(counts.map(grouped)).toEqual(counts.map((count) => count.toLocaleString("en-US")));
});

test("ages and durations are what a person would say", () => {
  expect(
    [-5, 1, 59, 60, 3 * 3600, 47 * 3600, 49 * 3600, 89.9 * 86_400, 100 * 86_400, 8e8].map(
      ageInWords,
    ),
  ).toEqual([
    ...["just now", "1 second ago", "59 seconds ago", "1 minute ago", "3 hours ago"],
    ...["47 hours ago", "2 days ago", "89 days ago", "3 months ago", "25 years ago"],
  ]);
  expect([0.04, 9.96, 59.7, 187, 7500].map(durationInWords)).toEqual([
    ...["0.0 s", "10 s", "1 min 0 s", "3 min 7 s", "2 h 5 min"],
  ]);
});

test("a path cannot move the cursor, hide its end, or break the line", () => {
  expect(visible("a\u001b[2J\nb\u202ec\udcff\ud800é👍")).toBe(
    "a\\x1b[2J\\x0ab\\u202ec\\xff\\ud800é👍",
  );
});

test("arguments are quoted for the shell they are pasted into", () => {
  expect(quoted("file:///mnt/b", "linux")).toBe("file:///mnt/b");
  expect(quoted("it's", "linux")).toBe("'it'\\''s'");
  expect(quoted("a b", "win32")).toBe('"a b"');
});

test("what looks like a secret is taken out of a text", () => {
  expect(redact("https://user:pass@host/x and AGE-SECRET-KEY-PQ-1ABC.")).toBe(
    "https://…@host/x and AGE-SECRET-KEY-….",
  );
  expect(redact("RESTBACKUP-SIGNING-KEY-1QQ")).toBe("RESTBACKUP-SIGNING-KEY-…");
  expect(redact("a@b.example at https://host/")).toBe("a@b.example at https://host/");
});

test("a backup is named after its folder, in a form that a name can have", () => {
  const names: [string[], string][] = [
    [["."], "work"],
    [["/srv/My Site!"], "My-Site"],
    [["/srv/.config"], "config"],
    [["a", "b/c"], "work"],
    [["/srv/a/x", "/srv/a/y/z"], "a"],
    [["/srv/a", "/srv/ab"], "srv"],
    [["/srv/größe"], "größe"],
    [[`/srv/${"ü".repeat(100)}`], "ü".repeat(50)],
  ];
  for (const [paths, name] of names) expect(defaultName(paths, "/home/work")).toBe(name);
  for (const [, name] of names) expect(checkName(name)).toBe(name);
  for (const paths of [["/"], ["/a", "/b"], ["/srv/***"]]) {
    expect(() => defaultName(paths, "/home")).toThrow("needs a name");
  }
});

test("key and store lie where each platform keeps such things", () => {
  const linux = { platform: "linux", home: () => "/home/u" } as const;
  expect(defaultKeyFile({}, linux)).toBe("/home/u/.config/restbackup/key.txt");
  expect(defaultStoreFolder({}, linux)).toBe("/home/u/.local/share/restbackup/store");
  const xdg = { XDG_CONFIG_HOME: "/c", XDG_DATA_HOME: "relative/is/ignored" };
  expect(defaultKeyFile(xdg, linux)).toBe("/c/restbackup/key.txt");
  expect(defaultStoreFolder(xdg, linux)).toBe("/home/u/.local/share/restbackup/store");
  const mac = { platform: "darwin", home: () => "/Users/u" } as const;
  expect(defaultKeyFile(xdg, mac)).toBe("/Users/u/Library/Application Support/restbackup/key.txt");
  const windows = { platform: "win32", home: () => "C:\\Users\\u" } as const;
  const roaming = { APPDATA: "D:\\Roaming" };
  expect(defaultKeyFile(roaming, windows)).toBe("D:\\Roaming\\restbackup\\key.txt");
  expect(defaultStoreFolder(roaming, windows)).toBe(
    "C:\\Users\\u\\AppData\\Local\\restbackup\\store",
  );
});

test("a user without a home is told what to set", () => {
  const nowhere = () => {
    throw new Error("no such user");
  };
  for (const home of [nowhere, () => "", () => "relative"]) {
    expect(() => defaultKeyFile({}, { platform: "linux", home })).toThrow("no home folder");
  }
});

const packing = { phase: "packing", files: 1234, bytes: 2 ** 30, storedBytes: 2 ** 20 } as const;
const restoring = {
  ...packing,
  phase: "restoring",
  totalFiles: 5000,
  totalBytes: 2 ** 31,
} as const;

test("progress says what is known: how far, how fast, and how long still", () => {
  expect(progressLine(packing, 2 ** 20)).toBe(
    "Packing  1,234 files  1.0 GiB  1.0 MiB/s  1.0 MiB stored",
  );
  expect(progressLine(restoring, 2 ** 28)).toBe(
    "Restoring  [##########          ]  50 %  1,234 files  1.0 GiB of 2.0 GiB  256 MiB/s  4.0 s left",
  );
  const start = { ...packing, phase: "reading", files: 0, bytes: 0, storedBytes: 0 } as const;
  expect(progressLine(start, undefined)).toBe("Reading");
});

test("a log gets a line every 15 seconds at most, a terminal each time", () => {
  let time = 100;
  const logged: string[] = [];
  const shown: string[] = [];
  const log = plainProgress(
    (line) => logged.push(line),
    () => time,
  );
  const show = movingProgress(
    (line) => shown.push(line),
    () => time,
  );
  for (let tick = 0; tick < 50; tick++, time++) {
    const bytes = tick * 2 ** 20;
    log({ ...packing, bytes });
    show({ ...packing, bytes });
  }
  expect(logged).toHaveLength(3);
  expect(logged[0]).toBe("Packing  1,234 files  15.0 MiB  1.0 MiB/s  1.0 MiB stored");
  expect(shown).toHaveLength(50);
});
