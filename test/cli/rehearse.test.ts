import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { World } from "./world.ts";

const world = new World();
/** Of NAME `website`, oldest first: two that are good, and a newest that lacks a volume. */
let older: string;
let good: string;
let broken: string;

beforeAll(async () => {
  older = (await world.json(["backup", "website"])).entry;
  good = (await world.json(["backup", "website"])).entry;
  const noise = Array.from({ length: 40 }, () => crypto.getRandomValues(new Uint8Array(65_536)));
  writeFileSync(join(world.tree, "noise"), Buffer.concat(noise));
  broken = (await world.json(["backup", "website", "--volume-size", "1M"])).entry;
  rmSync(join(world.tree, "noise"));
  const volume = readdirSync(world.storeFolder).find((file) => file === `${broken}.000`)!;
  rmSync(join(world.storeFolder, volume));
  await world.run(["backup", "website", "--name", "alone"]);
});
afterAll(() => world.remove());

const alone = ["verify", "--rehearse", "--name", "alone"];

describe("verify --rehearse", () => {
  test("restores, compares and runs a command, and leaves no scratch folder", async () => {
    const check = ["--compare", "website", "--run", "cat index.html; pwd; env"];
    const env = { RESTBACKUP_UNUSED: "x" };
    const { code, stdout, stderr } = await world.run([...alone, ...check], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Rehearsed alone-\S+: it can be restored$/m);
    expect(stdout).toMatch(/^ {2}compared +5 paths, all equal$/m);
    expect(stderr).toContain("<h1>hello</h1>\n");
    expect(stderr).toContain(join(world.temporary, "restbackup-verify-"));
    expect(stderr).not.toMatch(/^RESTBACKUP_/m);
    expect(readdirSync(world.temporary)).toEqual([]);
  });

  test("fails with 8 when the command or the comparison does", async () => {
    const command = await world.run([...alone, "--run", "exit 3"]);
    expect(command.code).toBe(8);
    expect(command.stderr).toContain("failed with exit code 3");
    const compared = await world.run([...alone, "--compare", "website/docs"]);
    expect(compared.code).toBe(8);
    expect(compared.stderr).toContain("docs is only in the backup");
    expect(readdirSync(world.temporary)).toEqual([]);
  });

  test("does not pass over a newest that lacks a volume, and names the one that is good", async () => {
    const { code, stderr } = await world.run(["verify", "--rehearse", "--name", "website"]);
    expect(code).toBe(5);
    expect(stderr).toContain(
      `The newest backup, ${broken}, is not complete: volume 000 is missing.`,
    );
    expect(stderr).toContain(`The newest that is good is ${good}`);
  });

  test("with --json prints one document", async () => {
    const document = await world.json([...alone, "--run", "true"]);
    expect(document).toMatchObject({ name: "alone", complete: true, commandSucceeded: true });
  });

  test.each([
    [["verify", "--compare", "website"], "--compare goes with --rehearse"],
    [["verify", "--run", "true"], "--run goes with --rehearse"],
    [["verify", "--shrink-limit", "1%"], "--shrink-limit goes with --rehearse"],
    [[...alone, "--compare-exclude", "x"], "--compare-exclude is of no use"],
    [[...alone, "--shrink-limit", "101%"], "is not a percentage"],
    [[...alone, "--compare", "nowhere"], "is no folder to compare with"],
    [["restore", "x-20261123T094012Z.tar.zst.age", "--fallback"], "--fallback has no other"],
  ])("%j: 2, in a sentence", async (args, message) => {
    const { code, stderr } = await world.run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

test("verify and restore without it say what they pass over", async () => {
  const name = ["--name", "website"];
  for (const args of [
    ["verify", ...name],
    ["restore", ...name, "--to", "latest"],
  ]) {
    const { code, stdout, stderr } = await world.run(args);
    expect(code).toBe(0);
    expect(stdout).toContain(good);
    expect(stderr).toContain(`warning: A newer backup, ${broken}, is not complete: volume 000`);
  }
});

test("restore --fallback brings the newest back that verifies, and names those passed over", async () => {
  const file = join(world.storeFolder, good);
  writeFileSync(file, "spoiled");
  const args = ["restore", "--name", "website", "--fallback", "--to", "fallen-back"];
  const { code, stdout, stderr } = await world.run(args);
  expect(code).toBe(0);
  expect(stdout).toContain(`Restored ${older}`);
  expect(stderr).toContain(`warning: passed over ${broken}: `);
  expect(stderr).toContain(`warning: passed over ${good}: `);
  expect(readdirSync(join(world.work, "fallen-back"))).toEqual(readdirSync(world.tree));
});

test("a health check is told of start, success and failure, by a url that is not shown", async () => {
  const asked: string[] = [];
  const service = createServer(async (request, response) => {
    asked.push(`${request.url} ${(await request.toArray()).join("")}`.trim());
    response.end();
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  const { port } = service.address() as { port: number };
  const url = world.hide(`http://127.0.0.1:${port}/ping/secret4ping`);
  const file = world.file("ping-url.txt", `${url}\n`);
  expect((await world.run(["verify", "--name", "alone", "--ping-url-file", file])).code).toBe(0);
  const env = { RESTBACKUP_PING_URL: url };
  expect((await world.run(["verify", "--name", "nothing"], { env })).code).toBe(3);
  await new Promise((resolve) => service.close(resolve));
  expect(asked).toEqual([
    "/ping/secret4ping/start",
    "/ping/secret4ping",
    "/ping/secret4ping/start",
    expect.stringContaining("/ping/secret4ping/fail No backup named nothing"),
  ]);
  const unreached = await world.run(["verify", "--name", "alone"], { env });
  expect(unreached.code).toBe(0);
  expect(unreached.stderr).toContain("warning: The health check could not be told of the start");
});

test.skipIf(process.platform === "win32")(
  "a signal ends the command and removes the scratch folder",
  async () => {
    const marker = join(world.root, "begun");
    const args = [...alone, "--run", `touch '${marker}'; sleep 60 & wait`];
    const child = world.start(args);
    while (!existsSync(marker)) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGTERM");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect(code).toBe(143);
    expect(readdirSync(world.temporary)).toEqual([]);
  },
);
