import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { startServer, temporaryFolder } from "../support/server.ts";

/** As backup-api.md prints it, part 1. */
const WALKTHROUGH = [
  "tar czf data.20100523.tar.gz file1 file2",
  "curl -u USER:PASS https://HOST/ -T data.20100523.tar.gz",
  "curl -u USER:PASS https://HOST/",
  "curl -u USER:PASS https://HOST/data.20100523.tar.gz | tar xz",
] as const;

const hasCurl = requireProgram("curl", "the published walkthrough works");

test.skipIf(!hasCurl)("the published walkthrough works word for word", async () => {
  const server = await startServer({ tls: true });
  const folder = temporaryFolder("walkthrough");
  const sh = async (command: string): Promise<string> => {
    const printed = command
      .replace("USER:PASS", `${server.username}:${server.password}`)
      .replace("https://HOST/", server.url);
    const env = { ...process.env, CURL_CA_BUNDLE: server.caFile };
    const options = { cwd: folder, env };
    return (await promisify(execFile)("bash", ["-ec", printed], options)).stdout;
  };
  const [pack, upload, list, download] = WALKTHROUGH;
  writeFileSync(join(folder, "file1"), "one");
  writeFileSync(join(folder, "file2"), "two");
  await sh(pack);
  expect(await sh(upload)).toBe("Stored /data.20100523.tar.gz\n");
  const [entry, ...others] = JSON.parse(await sh(list)) as Record<string, unknown>[];
  expect(others).toEqual([]);
  expect(entry).toMatchObject({
    name: "/data.20100523.tar.gz",
    size: readFileSync(join(folder, "data.20100523.tar.gz")).length,
    createtime: expect.any(Number),
  });
  await rm(join(folder, "file1"));
  writeFileSync(join(folder, "file2"), "changed since");
  await sh(download);
  expect(readFileSync(join(folder, "file1"), "utf8")).toBe("one");
  expect(readFileSync(join(folder, "file2"), "utf8")).toBe("two");
  await server.close();
  await rm(folder, { recursive: true });
});
