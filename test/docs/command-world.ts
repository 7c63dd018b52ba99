import { execFile } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Halves the time of each start. */
const COMPILE_CACHE = fileURLToPath(new URL("../../node_modules/.cache/node", import.meta.url));

/** A machine on which documents' commands are typed: `restbackup`, a home, a server, a key. */
export class CommandWorld {
  readonly root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-commands-")));
  readonly home = this.#folder("home");
  readonly #bin = this.#folder("bin");
  #server: TestServer | undefined;
  identity = "";
  recipient = "";
  #count = 0;

  async start(): Promise<this> {
    const script = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`;
    fs.writeFileSync(path.join(this.#bin, "restbackup"), script, { mode: 0o755 });
    this.#server = await startServer({ tls: true });
    ({ identity: this.identity, recipient: this.recipient } = await generateIdentity());
    this.website(path.join(this.home, "website"));
    return this;
  }

  get server(): TestServer {
    return this.#server!;
  }

  /** An empty folder below the root. */
  empty(): string {
    return this.#folder(`folder-${++this.#count}`);
  }

  #folder(name: string): string {
    return fs.mkdirSync(path.join(this.root, name), { recursive: true }) ?? this.root;
  }

  /** An empty folder with the key in `key.txt`. */
  withKey(): string {
    const folder = this.empty();
    fs.writeFileSync(path.join(folder, "key.txt"), `${this.identity}\n`, { mode: 0o600 });
    return folder;
  }

  /** A project whose tests pass. */
  website(folder: string): void {
    fs.mkdirSync(folder, { recursive: true });
    const put = (name: string, content: object | string) =>
      fs.writeFileSync(
        path.join(folder, name),
        typeof content === "string" ? content : JSON.stringify(content),
      );
    const about = { name: "website", version: "1.0.0" };
    put("index.html", "<h1>Hello</h1>\n");
    put("README.md", "# A website\n");
    put("package.json", { ...about, scripts: { test: "test -f index.html" } });
    put("package-lock.json", { ...about, lockfileVersion: 3, packages: { "": about } });
  }

  /** Runs commands as they are printed, but for what `substitutes` gives for placeholders. */
  run(
    commands: string,
    substitutes: Readonly<Record<string, string>> = {},
    { cwd = this.withKey(), env = {} as Record<string, string | undefined> } = {},
  ): Promise<string> {
    const script = Object.entries(substitutes).reduce(
      (text, [from, to]) => text.replaceAll(from, to),
      commands,
    );
    return new Promise((resolve, reject) => {
      const options = { cwd, env: this.#environment(env) };
      execFile("bash", ["-euo", "pipefail", "-c", script], options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${script}\n${stdout}${stderr}`, { cause: error }));
      });
    });
  }

  #environment(more: Record<string, string | undefined>): Record<string, string | undefined> {
    const { caFile, accessUrl } = this.server;
    return {
      PATH: `${this.#bin}:${path.dirname(process.execPath)}:${process.env.PATH}`,
      HOME: this.home,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      CURL_CA_BUNDLE: caFile,
      NODE_EXTRA_CA_CERTS: caFile,
      RESTBACKUP_ACCESS_URL: accessUrl,
      ...more,
    };
  }

  async close(): Promise<void> {
    await this.#server?.close();
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
