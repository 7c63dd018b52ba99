import fs from "node:fs";
import { createServer, type Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { startServer } from "../support/server.ts";
import { type ActionFolder, type Run, runAction } from "./harness.ts";
import { makeTree } from "./tree.ts";

let server: Awaited<ReturnType<typeof startServer>>;
let scratch: string;
let workspace: string;
let identity: string;
let recipient: string;
let counter = 0;
let name: string;

beforeAll(async () => {
  server = await startServer({ tls: true });
  scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "verify-")));
  ({ identity, recipient } = await generateIdentity());
});

afterAll(async () => {
  await server?.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

beforeEach(() => {
  name = `site-${++counter}`;
  workspace = path.join(scratch, name);
  fs.mkdirSync(workspace);
  makeTree(inWorkspace("tree"));
});

const inWorkspace = (...parts: string[]) => path.join(workspace, ...parts);
const stored = (entry: string) => path.join(server.archives, entry);

function step(folder: ActionFolder, inputs: Record<string, string>, env = {}): Promise<Run> {
  return runAction(folder, {
    with: { "access-url": server.accessUrl, name, ...inputs },
    workspace,
    env: { NODE_EXTRA_CA_CERTS: server.caFile!, ...env },
  });
}

const verify = (inputs: Record<string, string> = {}, env?: object) =>
  step("verify", { key: identity, ...inputs }, env);
const restore = (inputs: Record<string, string> = {}) =>
  step("restore", { key: identity, path: "restored", ...inputs });

/** Makes a backup and gives its entry. */
async function backup(inputs: Record<string, string> = {}): Promise<string> {
  return done(await step(".", { key: identity, path: "tree", ...inputs })).outputs.entry!;
}

/** One of several volumes. */
async function volumes(): Promise<{ entry: string; files: string[] }> {
  fs.writeFileSync(inWorkspace("tree", "noise"), noise(2_500_000));
  const entry = await backup({ "volume-size": "1MiB" });
  const files = fs.readdirSync(server.archives).filter((file) => file.startsWith(entry));
  expect(files.length).toBe(3);
  return { entry, files: files.sort().map(stored) };
}

/** What does not compress, and is the same every time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = 1; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function done(run: Run): Run {
  expect(run.annotations.filter((annotation) => annotation.name === "error")).toEqual([]);
  expect(run.exitCode).toBe(0);
  return run;
}

/** What a step that was to fail said, in one error; its only output may be which older one is good. */
function failed(run: Run): string {
  expect(run.exitCode).toBe(1);
  expect(run.annotations.map((annotation) => annotation.name)).toEqual(["error"]);
  expect(run.annotations[0]!.properties.title).toMatch(/^(Verify|Restore) failed$/);
  expect(run.log).not.toContain("unexpected");
  expect(Object.keys(run.outputs).filter((output) => output !== "good-entry")).toEqual([]);
  expect(run.summary).toBe("");
  return run.annotations[0]!.message;
}

function flipBit(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  fs.writeFileSync(file, bytes);
}

/** Ways in which the newest backup of `name` can be of no use. Each returns what verify says of it. */
const SPOILED: Record<string, () => Promise<RegExp>> = {
  "a deleted volume": async () => {
    const { entry, files } = await volumes();
    fs.rmSync(files[1]!);
    return new RegExp(`newest backup, ${entry}, is not complete: volume 001 is missing`);
  },
  "a deleted last volume": async () => {
    const { entry, files } = await volumes();
    fs.rmSync(files.at(-1)!);
    return new RegExp(`newest backup, ${entry}, is not complete: its end is missing`);
  },
  "a flipped bit": async () => {
    flipBit(stored(await backup()));
    return /not what was written|corrupted|damaged|altered/;
  },
  "a swapped name": async () => {
    const [older] = fs.readdirSync(server.archives).filter((file) => file.startsWith(`${name}-`));
    const newer = older!.replace(/-\d{8}T\d{6}Z/, "-20990101T000000Z");
    fs.copyFileSync(stored(older!), stored(newer));
    return new RegExp(`${newer} holds another archive: ${older}`);
  },
  "an archive by a stranger who knows the public recipient": async () => {
    const entry = await backup({ key: "", recipients: recipient });
    return new RegExp(`Nothing proves who wrote ${entry}`);
  },
  "an archive encrypted to another key": async () => {
    await backup({ key: (await generateIdentity()).identity });
    return /cannot be opened with this key/;
  },
};

describe("a rehearsed restore", () => {
  it("checks, compares, runs a command, and leaves nothing behind", async () => {
    const before = await backup();
    const entry = await backup();
    const temporary = inWorkspace("temporary");
    fs.mkdirSync(temporary);
    const run = done(
      await verify(
        {
          path: "tree",
          "max-age": "1h",
          command: 'pwd\ntest "$(cat empty)" = ""\ncat .hidden\necho "::set-output name=entry::x"',
        },
        { RUNNER_TEMP: temporary, ACTIONS_RUNTIME_TOKEN: "token" },
      ),
    );
    expect(run.annotations).toEqual([]);
    expect(run.outputs).toEqual({
      entry,
      "good-entry": entry,
      createtime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      files: expect.stringMatching(/^[1-9]\d*$/),
    });
    expect(run.summary).toContain(`### \`${entry}\` can be restored`);
    expect(run.summary).toContain(before);
    expect(run.summary).toMatch(/\| Compared \| \d+ paths, all equal \|/);
    expect(run.log).toMatch(/^hidden$/m);
    expect(run.log).toContain(path.join(temporary, "restbackup-verify-"));
    expect(fs.readdirSync(temporary)).toEqual([]);
  });

  it("keeps key, access url and tokens from the command", async () => {
    await backup();
    const run = done(
      await verify({ command: "env" }, { ACTIONS_RUNTIME_TOKEN: "runtime-token", VISIBLE: "yes" }),
    );
    expect(run.log).toMatch(/^VISIBLE=yes$/m);
    expect(run.log).not.toMatch(/^(INPUT_|ACTIONS_|GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)=)/m);
  });

  it("takes one certain entry when told", async () => {
    const older = await backup();
    fs.writeFileSync(inWorkspace("tree", "more"), "more\n");
    await backup();
    expect(done(await verify({ entry: older, name: "" })).outputs.entry).toBe(older);
    expect(failed(await verify({ entry: older, name: "", path: "tree" }))).toContain(
      "more is not in the backup",
    );
  });

  it.skipIf(process.platform === "win32")("ends when the run is cancelled", async () => {
    await backup();
    const begun = inWorkspace("begun");
    const run = await runAction("verify", {
      with: {
        "access-url": server.accessUrl,
        name,
        key: identity,
        command: `touch '${begun}'; sleep 60 & wait`,
      },
      workspace,
      env: { NODE_EXTRA_CA_CERTS: server.caFile! },
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!fs.existsSync(begun)) return;
          // Once, as the runner does: a later one could meet a process that is about to end.
          clearInterval(timer);
          child.kill("SIGINT");
        }, 50);
        child.on("close", () => clearInterval(timer));
      },
    });
    expect(failed(run)).toMatch(/cancelled/);
  });

  it("says that there is no backup at all", async () => {
    expect(failed(await verify())).toMatch(new RegExp(`No backup named ${name}`));
  });
});

describe("a rehearsed restore catches", () => {
  it.each(Object.entries(SPOILED))("%s, and says which older one is good", async (_, spoil) => {
    const good = await backup();
    const message = await spoil();
    const run = await verify();
    expect(failed(run)).toMatch(message);
    expect(run.annotations[0]!.message).toContain(`The newest that is good is ${good}`);
    expect(run.outputs).toEqual({ "good-entry": good });
  });

  it("a stale newest", async () => {
    const entry = await backup();
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(failed(await verify({ "max-age": "1s" }))).toContain(`The newest backup, ${entry}, is`);
  });

  it("one implausibly smaller than the one before", async () => {
    const before = await backup();
    fs.rmSync(inWorkspace("tree", "folder"), { recursive: true });
    const entry = await backup();
    const run = await verify();
    expect(failed(run)).toContain(`${entry} is much smaller than the one before`);
    expect(run.outputs).toEqual({ "good-entry": before });
    done(await verify({ "shrink-limit": "100%" }));
  });

  it("one that differs from the folder it was made of", async () => {
    await backup();
    fs.writeFileSync(inWorkspace("tree", ".hidden"), "hiddem\n");
    fs.writeFileSync(inWorkspace("tree", "new"), "");
    fs.rmSync(inWorkspace("tree", "empty"));
    const message = failedWithGood(await verify({ path: "tree" }));
    expect(message).toContain(".hidden has another content");
    expect(message).toContain("new is not in the backup");
    expect(message).toContain("empty is only in the backup");
    done(await verify({ path: "tree", exclude: ".hidden\nnew\nempty" }));
  });

  it("one in which the command fails", async () => {
    await backup();
    const message = failedWithGood(
      await verify({ command: "echo begun\nfalse\necho not reached" }),
    );
    expect(message).toMatch(/command.*failed with exit code 1/);
  });

  function failedWithGood(run: Run): string {
    expect(run.outputs["good-entry"]).toMatch(new RegExp(`^${name}-`));
    return failed(run);
  }
});

describe("a restore with fallback", () => {
  it.each(Object.entries(SPOILED))("passes over %s, with a warning", async (_, spoil) => {
    const good = await backup();
    await spoil();
    const run = done(await restore({ fallback: "true" }));
    expect(run.outputs).toMatchObject({ entry: good, found: "true" });
    expect(run.annotations).toMatchObject([
      {
        name: "warning",
        properties: { title: "An older backup was restored, as newer ones cannot be" },
        message: expect.stringContaining(`${good} was restored instead of:\n${name}-`),
      },
    ]);
    expect(fs.readdirSync(inWorkspace("restored"))).toContain(".hidden");
  });

  it("is not needed to learn that a newer one lacks volumes", async () => {
    const good = await backup();
    const { entry, files } = await volumes();
    fs.rmSync(files[0]!);
    const run = done(await restore());
    expect(run.outputs.entry).toBe(good);
    expect(run.annotations.map(({ name, message }) => [name, message.split("\n")[0]])).toEqual([
      ["warning", `A newer backup, ${entry}, is not complete: volume 000 is missing.`],
    ]);
  });

  it("fails by default, and where nothing older is good", async () => {
    flipBit(stored(await backup()));
    expect(failed(await restore())).not.toContain("fall back");
    expect(failed(await restore({ fallback: "true" }))).toContain("no other to fall back to");
    expect(fs.existsSync(inWorkspace("restored"))).toBe(false);
  });
});

describe("a health check", () => {
  let service: Server;
  let url: string;
  let status: number;
  let asked: string[];

  beforeEach(async () => {
    status = 200;
    asked = [];
    service = createServer(async (request, response) => {
      const body = (await request.toArray()).join("");
      asked.push(`${request.method} ${request.url} ${body}`.trim());
      response.writeHead(status).end("OK");
    });
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    const { port } = service.address() as { port: number };
    url = `http://127.0.0.1:${port}/ping/5f1d7a3e-secret-uuid`;
    return () => new Promise<void>((resolve) => service.close(() => resolve()));
  });

  it("is told of start and success", async () => {
    const entry = await backup();
    const run = done(await verify({ "ping-url": `${url}?rid=7` }));
    expect(asked).toEqual([
      "POST /ping/5f1d7a3e-secret-uuid/start?rid=7",
      expect.stringMatching(
        new RegExp(`^POST /ping/5f1d7a3e-secret-uuid\\?rid=7 ${entry} can be restored: `),
      ),
    ]);
    expect(run.masks).toContain(`${url}?rid=7`);
    expect(run.masks).toContain("5f1d7a3e-secret-uuid");
  });

  it("is told of a failure, and why", async () => {
    failed(await verify({ "ping-url": url }));
    expect(asked).toEqual([
      "POST /ping/5f1d7a3e-secret-uuid/start",
      expect.stringMatching(/^POST \/ping\/5f1d7a3e-secret-uuid\/fail No backup named /),
    ]);
  });

  it("that cannot be reached is a warning, without its url", async () => {
    await backup();
    status = 404;
    const refused = done(await verify({ "ping-url": url }));
    expect(refused.annotations.map((one) => one.name)).toEqual(["warning", "warning"]);
    expect(refused.annotations[0]!.message).toContain("it answered 404");
    await new Promise<void>((resolve) => service.close(() => resolve()));
    const gone = done(await verify({ "ping-url": url }));
    expect(gone.annotations[0]!.message).toContain("ECONNREFUSED");
  });

  it("whose url is none fails the step, without showing it", async () => {
    expect(failed(await verify({ "ping-url": "not-a-url-but-secret" }))).toContain("ping");
  });
});
