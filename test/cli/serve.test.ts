import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { outcomeOf, World } from "./world.ts";

const world = new World();
afterAll(() => world.remove());

test("an account, a server, a backup through it, and a quiet end", async () => {
  const data = join(world.root, "data");
  const serving = world.start(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
  const [line] = (await once(createInterface({ input: serving.stdout! }), "line")) as [string];
  const ended = outcomeOf(serving);
  const host = /^Serving \S+ at (http:\/\/127\.0\.0\.1:\d+)\/$/.exec(line)![1]!;

  const made = await world.run(["account", "create", "--data", data, "--host", host]);
  expect(made.code).toBe(0);
  expect(made.stdout).toMatch(/^http:\/\/[a-zA-Z0-9]+:[a-zA-Z0-9]+@127\.0\.0\.1:\d+\/\n$/);
  expect(made.stderr).toContain("shown once");
  const accessUrl = made.stdout.trim();
  const password = world.hide(new URL(accessUrl).password);

  const env = { RESTBACKUP_ACCESS_URL: accessUrl };
  const { file } = await world.newKey("key.txt");
  const backup = ["backup", "website", "--key-file", file];
  expect((await world.run(backup, { env })).code).toBe(0);
  const restored = await world.run(["restore", "--to", "out", "--key-file", file], { env });
  expect(restored.code).toBe(0);
  expect(readdirSync(join(world.work, "out"))).toEqual(readdirSync(world.tree));
  expect((await world.run(["list"], { env })).stdout).toContain("kept until");

  serving.kill("SIGTERM");
  const { code, stderr } = await ended;
  expect(code).toBe(0);
  expect(stderr).toMatch(/"method":"PUT","path":"\/website-\S+","status":201,"username":"\w+"/);
  expect(stderr).not.toContain(password);
});

test("an account's url names the host it is given, over TLS", async () => {
  const create = ["account", "create", "--data", join(world.root, "other"), "--retention"];
  const made = await world.json([...create, "365d", "--host", "backup.example:8443"]);
  expect(made.accessUrl).toMatch(/^https:\/\/\w+:\w+@backup\.example:8443\/$/);
  expect(made.retentionDays).toBe(365);
  for (const retention of ["29d", "366d", "36h", "soon"]) {
    expect([retention, (await world.run([...create, retention])).code]).toEqual([retention, 2]);
  }
});

test("passwords do not cross a network in the clear: serve refuses", async () => {
  const serve = ["serve", "--data", join(world.root, "refused"), "--listen"];
  const open = await world.run([...serve, "0.0.0.0:0"]);
  expect(open.code).toBe(2);
  expect(open.stderr).toContain("--tls-cert");
  const half = await world.run([...serve, "127.0.0.1:0", "--tls-cert", "cert.pem"]);
  expect(half.code).toBe(2);
  expect(half.stderr).toContain("give both");
});

test.runIf(process.platform === "linux").each([
  { set: undefined, used: "1" },
  { set: "3", used: "3" },
])("serve has one arena of malloc, unless MALLOC_ARENA_MAX says otherwise ($set)", async (one) => {
  const serve = ["serve", "--data", join(world.root, "arenas"), "--listen", "127.0.0.1:0"];
  const serving = world.start(serve, { env: { MALLOC_ARENA_MAX: one.set } });
  await once(createInterface({ input: serving.stdout! }), "line");
  const ended = outcomeOf(serving);
  // The process is still the one that was started: it is what a supervisor signals.
  const environment = readFileSync(`/proc/${serving.pid}/environ`, "utf8").split("\0");
  const set = environment.filter((variable) => variable.startsWith("MALLOC_ARENA_MAX="));
  expect(set).toEqual([`MALLOC_ARENA_MAX=${one.used}`]);
  serving.kill("SIGTERM");
  expect((await ended).code).toBe(0);
});
