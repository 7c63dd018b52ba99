import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { Metrics } from "../../src/server/metrics.ts";
import { faultOf, read } from "./documents.ts";

const guide = read("docs/server.md");

describe("docs/server.md", () => {
  it("names metrics there are, and all of ours", async () => {
    const { text } = await new Metrics({ dataDir: tmpdir(), connections: () => 0 }).exposition();
    const there = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!);
    const named = [...guide.matchAll(/`((?:restbackup|process|nodejs)_\w+)/g)].map(
      ([, name]) => name!,
    );
    expect(there).toEqual(expect.arrayContaining(named));
    expect(named).toEqual(
      expect.arrayContaining(there.filter((name) => name.startsWith("restbackup_"))),
    );
  });

  it("gives options to the service that it takes, by the unit's own command line", async () => {
    const command = /^ExecStart=\S+\/restbackup (.*)$/m.exec(
      read("contrib/restbackup.service"),
    )![1]!;
    const options = [...guide.matchAll(/^ {4}echo 'OPTIONS=([^']+)' > (\S+)$/gm)];
    expect(options).toHaveLength(2);
    for (const [, given, file] of options) {
      expect(read("contrib/restbackup.service")).toContain(`EnvironmentFile=${file}\n`);
      const line = command.replace("$OPTIONS", given!);
      expect(await faultOf({ line, whole: true })).toBeUndefined();
    }
  });

  it("uses the files, folders and names that contrib/ has", () => {
    for (const path of guide.match(/contrib\/[\w.]*\w/g)!) expect(read(path)).not.toBe("");
    const unit = read("contrib/restbackup.service");
    const [, data] = / --data (\S+)/.exec(unit)!;
    expect(unit).toContain(`ReadWritePaths=${data}\n`);
    for (const [, shown] of guide.matchAll(/^ {4}restbackup .*--data (\S+)/gm)) {
      expect([data, "/srv/restbackup-copy"]).toContain(shown);
    }
    expect(guide).toContain(`install -d -m 0700 -o restbackup -g restbackup ${data}\n`);
    const grace = Number(/--shutdown-grace (\d+)/.exec(unit)![1]);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1])).toBeGreaterThan(grace);
  });
});
