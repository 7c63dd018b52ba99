import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { outcomeOf, World } from "./world.ts";

const servers: Server[] = [];

/** A server that is reached, and then stalls. */
async function stallingServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://user:pass@127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe.concurrent("a signal", () => {
  const world = new World();
  afterAll(() => {
    for (const server of servers) server.closeAllConnections();
    for (const server of servers) server.close();
    world.remove();
  });

  test("stops a backup that is being stored: 130, a sentence, no litter", async () => {
    const reached = Promise.withResolvers<void>();
    const url = await stallingServer((req, res) => {
      if (req.method === "PUT") reached.resolve();
      else res.end("[]");
    });
    const { file } = await world.newKey("backup-key.txt");
    const child = world.start(["backup", "website", "--key-file", file], {
      env: { RESTBACKUP_ACCESS_URL: url },
    });
    const outcome = outcomeOf(child);
    await reached.promise;
    expect(readdirSync(world.temporary).filter(isSpool)).toHaveLength(1);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await outcome;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/^restbackup: Stopped\. No backup was made/m);
    expect(readdirSync(world.temporary).filter(isSpool)).toEqual([]);
  });

  test("stops a restore in the middle: 143, and the target does not exist", async () => {
    const key = await world.newKey("restore-key.txt");
    const big = join(world.root, "big");
    writeFileSync(big, randomBytes(12 * 2 ** 20));
    const store = world.storeUrl("restored");
    const { entry, createtime } = await world.json([
      ...["backup", big, "--name", "big", "--key-file", key.file, "--store", store],
    ]);
    const stored = readFileSync(join(world.root, "restored", entry));
    const reached = Promise.withResolvers<void>();
    const url = await stallingServer((req, res) => {
      if (req.url === "/") {
        res.end(JSON.stringify([{ name: `/${entry}`, size: stored.length, createtime }]));
        return;
      }
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? "bytes=0-")!;
      const start = Number(from);
      const end = to === "" ? stored.length : Number(to) + 1;
      res.writeHead(206, {
        "Content-Length": end - start,
        "Content-Range": `bytes ${start}-${end - 1}/${stored.length}`,
      });
      // The head and the list come whole; the content stops in its middle.
      if (end - start < 2 ** 20) res.end(stored.subarray(start, end));
      else res.write(stored.subarray(start, start + 2 ** 19), () => reached.resolve());
    });
    const folder = join(world.root, "target");
    const child = world.start(["restore", "--to", join(folder, "out"), "--key-file", key.file], {
      env: { RESTBACKUP_ACCESS_URL: url },
    });
    const outcome = outcomeOf(child);
    await reached.promise;
    expect(readdirSync(folder)).toHaveLength(1);
    child.kill("SIGTERM");
    const { code, stderr } = await outcome;
    expect(code).toBe(143);
    expect(stderr).toContain("Nothing was restored: the target is as it was.");
    // Nor the folder that was made for it.
    expect(existsSync(folder)).toBe(false);
  });

  test("ends the process at once when it comes twice", async () => {
    const reached = Promise.withResolvers<void>();
    const url = await stallingServer(() => reached.resolve());
    const child = world.start(["list"], { env: { RESTBACKUP_ACCESS_URL: url } });
    const outcome = outcomeOf(child);
    await reached.promise;
    child.kill("SIGINT");
    child.kill("SIGINT");
    // By the signal itself, where it comes when Node is ending already: shells call that 130 too.
    expect([130, "SIGINT"]).toContain((await outcome).code ?? child.signalCode);
  });

  test.runIf(existsSync("/bin/ps"))("shows no secret to ps while it works", async () => {
    const { file, identity } = await world.newKey("ps-key.txt");
    for (const by of ["variables", "files"]) {
      const reached = Promise.withResolvers<void>();
      const stalling = await stallingServer(() => reached.resolve());
      const url = stalling.replace(":pass@", ":Secret4ps@");
      const files = [
        ...["--key-file", file],
        ...["--access-url-file", world.file("ps-url.txt", url)],
      ];
      const args = ["verify", "--name", by, ...(by === "files" ? files : [])];
      const env = { RESTBACKUP_ACCESS_URL: url, RESTBACKUP_KEY: identity };
      const child = world.start(args, by === "files" ? {} : { env });
      const outcome = outcomeOf(child);
      await reached.promise;
      const { stdout } = await promisify(execFile)("ps", ["-A", "-ww", "-o", "args"]);
      child.kill("SIGTERM");
      expect((await outcome).code).toBe(143);
      // It was there to be seen, all of it.
      expect(stdout).toContain(`main.ts ${args.join(" ")}\n`);
      expect(stdout).not.toContain("Secret4ps");
      expect(stdout).not.toContain(identity);
    }
  });

  test("a reader that goes away is no failure", async () => {
    const { file } = await world.newKey("pipe-key.txt");
    const all = ["--key-file", file, "--store", world.storeUrl("pipe")];
    await world.run(["backup", "website", ...all]);
    const child = world.start(["show", ...all]);
    child.stdout!.destroy();
    expect(await outcomeOf(child)).toMatchObject({ code: 0, stderr: "" });
  });

  const script = existsSync("/usr/bin/script") && process.platform === "linux";
  test.runIf(script)("progress moves on a terminal, and nowhere else", async () => {
    const { file } = await world.newKey("terminal-key.txt");
    const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
    const words = [process.execPath, main, "backup", "website", "--key-file", file];
    const command = (more: string) =>
      `${words.map((word) => `'${word}'`).join(" ")} --store '${world.storeUrl("terminal")}' ${more}`;
    const inTerminal = async (more: string) => {
      const env = { PATH: process.env.PATH, HOME: world.home, TERM: "xterm" };
      const args = ["-qec", command(more), "/dev/null"];
      return (await promisify(execFile)("script", args, { cwd: world.work, env })).stdout;
    };
    expect(await inTerminal("")).toMatch(/\r(Packing|Finishing) {2}[^\n]*\u001b\[K/);
    for (const option of ["--no-progress", "--quiet", "--json"]) {
      expect(await inTerminal(option)).not.toContain("\u001b");
    }
    const piped = await world.run([
      ...["backup", "website", "--key-file", file, "--store", world.storeUrl("terminal")],
    ]);
    expect(piped.stderr).toMatch(/^Backing up to file:\S+\n$/);
  });
});

function isSpool(name: string): boolean {
  return name.startsWith("restbackup-");
}
