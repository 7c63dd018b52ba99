import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type GatherOptions, gatherRepository } from "../../src/snapshot/repository.ts";
import { type GitServer, startGitServer } from "./git-server.ts";

/** A git of the tests' own: the settings of this machine do not matter. */
export const GIT_ENV = {
  PATH: process.env.PATH!,
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.com",
  GIT_AUTHOR_DATE: "1700000000 +0100",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.com",
  GIT_COMMITTER_DATE: "1700000000 +0100",
};

/** A git server with repositories, and a place to gather snapshots of them. */
export class SnapshotWorld {
  readonly root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-snapshot-")));
  readonly token = `ghs_${randomBytes(18).toString("hex")}`;
  server!: GitServer;
  #count = 0;

  async start(): Promise<this> {
    this.server = await startGitServer(this.folder("srv"), this.token);
    return this;
  }

  /** The same over HTTPS, with a certificate that nobody knows but its file. */
  async startTls(): Promise<{ readonly caFile: string }> {
    const caFile = path.join(this.root, "cert.pem");
    const keyFile = path.join(this.root, "key.pem");
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
        ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...["-keyout", keyFile, "-out", caFile],
      ],
      { stdio: "pipe" },
    );
    const tls = { cert: fs.readFileSync(caFile), key: fs.readFileSync(keyFile) };
    this.server = await startGitServer(this.folder("srv"), this.token, tls);
    return { caFile };
  }

  async close(): Promise<void> {
    await this.server?.close();
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  /** A new folder; with a name one of that name. */
  folder(name = `folder-${++this.#count}`): string {
    const folder = path.join(this.root, name);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  git(cwd: string, ...args: string[]): string {
    return execFileSync("git", args, { cwd, env: GIT_ENV, encoding: "utf8", stdio: "pipe" });
  }

  /** `OWNER/REPO.git` on the server, bare. */
  bare(name: string): string {
    return path.join(this.server.root, `${name}.git`);
  }

  createBare(name: string, ...options: string[]): string {
    const bare = this.bare(name);
    fs.mkdirSync(path.dirname(bare), { recursive: true });
    this.git(this.root, "init", "-q", "--bare", "--template=", "-b", "trunk", ...options, bare);
    return bare;
  }

  /**
   * A repository with what git can hold: branches of which two are at one commit, a merge, light and
   * annotated tags, one of a blob, notes, heads of pull requests, a ref of another kind.
   */
  createRepository(name: string): string {
    const bare = this.createBare(name);
    const work = this.folder();
    const git = (...args: string[]) => this.git(work, ...args);
    git("init", "-q", "-b", "trunk", ".");
    write(work, "README.md", "# Website\n");
    write(work, "docs/a b.txt", "text\n".repeat(200));
    git("add", "-A");
    git("commit", "-q", "-m", "Begin");
    git("checkout", "-q", "-b", "feature/one");
    write(work, "docs/a b.txt", `${"text\n".repeat(200)}more\n`);
    git("commit", "-q", "-a", "-m", "Add to the text");
    git("checkout", "-q", "trunk");
    write(work, "index.html", "<h1>hello</h1>\n");
    git("add", "-A");
    git("commit", "-q", "-m", "Say hello");
    git("merge", "-q", "--no-ff", "-m", "Merge feature/one", "feature/one");
    git("branch", "main");
    git("tag", "light");
    git("tag", "-a", "v1.0", "-m", "The first");
    git("tag", "blob", "HEAD:index.html");
    git("notes", "add", "-m", "Reviewed", "HEAD");
    git("update-ref", "refs/pull/1/head", "feature/one");
    git(
      "update-ref",
      "refs/pull/2/head",
      git("commit-tree", "-m", "A pull request", "-p", "HEAD", "HEAD^{tree}").trim(),
    );
    git("update-ref", "refs/custom/it's-$HOME", "HEAD^");
    git("push", "-q", "--mirror", bare);
    return work;
  }

  /** Stores an LFS object on the server, and gives its pointer. */
  lfsObject(content: Buffer): { oid: string; pointer: string } {
    const oid = createHash("sha256").update(content).digest("hex");
    fs.writeFileSync(this.server.lfsFile(oid), content);
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`;
    return { oid, pointer };
  }

  /** Gathers a snapshot into a new folder. */
  async gather(name: string, options: Partial<GatherOptions> = {}) {
    const [owner, repo] = name.split("/") as [string, string];
    const folder = options.folder ?? this.folder();
    const scratch = options.scratch ?? this.folder();
    const gathered = await gatherRepository({
      address: { owner, repo },
      serverUrl: this.server.url,
      token: this.token,
      env: { PATH: process.env.PATH },
      wiki: true,
      lfs: true,
      ...options,
      folder,
      scratch,
    });
    return { ...gathered, folder, scratch };
  }
}

export function write(folder: string, name: string, content: string | Buffer): void {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}

/** Every file below a folder with its content, by path. */
export function contentsOf(folder: string): Map<string, Buffer> {
  const files = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  return new Map(files.map((file) => [path.relative(folder, file), fs.readFileSync(file)]));
}
