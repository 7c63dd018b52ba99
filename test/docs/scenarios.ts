import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createAccount } from "../../src/server/accounts.ts";
import { BASE, makeDailyChain, PASSPHRASE } from "../operations/legacy-chain.ts";
import { type CommandWorld, freePort } from "./command-world.ts";

/** Sets a stage, runs a block of commands on it, and throws unless it did what it is there for. */
type Scenario = (world: CommandWorld, block: string) => Promise<void>;

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLE = "website-20261123T094012Z.tar.zst.age";

/** By document and first line of the block. */
export const SCENARIOS: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = {
  "README.md": {
    "npm ci && npm start -- backup docs --name docs": tryIt,
    "npm start -- list": tryIt,
    "restbackup keygen -o key.txt": async (world, block) => {
      const cwd = world.empty();
      await world.run(block, {}, { cwd });
      needs(fs.readFileSync(path.join(cwd, "key.txt"), "utf8"), "AGE-SECRET-KEY-1");
    },
    "restbackup keygen -o key.txt                  # stays with you; prints age1…": async (
      world,
      block,
    ) => {
      const cwd = world.empty();
      const printed = await world.run(block, {}, { cwd });
      needs(printed, "age1");
      needs(printed, "restbackup-signer1");
    },
    "restbackup restore --name website --key-file key.txt --trusted-signer restbackup-signer1…":
      async (world, block) => {
        const cwd = world.withKey();
        const env = { RESTBACKUP_ACCESS_URL: storeUrl(world) };
        const printed = await world.run("restbackup keygen --signing -o signing.txt", {}, { cwd });
        const [signer] = /restbackup-signer1\w+/.exec(printed)!;
        const to = `--recipient ${world.recipient} --signing-key-file signing.txt`;
        await world.run(`restbackup backup ~/website ${to}`, {}, { cwd, env });
        await world.run(block, { "restbackup-signer1…": signer }, { cwd, env });
        needsWebsite(path.join(cwd, "website"));
      },
    "export RESTBACKUP_ACCESS_URL=https://USER:PASSWORD@HOST/": async (world, block) => {
      await backUp(world);
      const cwd = world.withKey();
      const where = { "https://USER:PASSWORD@HOST/": world.server.accessUrl };
      await world.run(block, where, { cwd, env: { RESTBACKUP_ACCESS_URL: undefined } });
      needsWebsite(path.join(cwd, "website"));
    },
    [`curl -u USER:PASSWORD https://HOST/${EXAMPLE} | age -d -i key.txt | zstd -d | tar x`]: async (
      world,
      block,
    ) => {
      const entry = await backUp(world);
      const cwd = world.withKey();
      await world.run(block, { [EXAMPLE]: entry, ...host(world) }, { cwd });
      needsWebsite(cwd);
    },
    [`cat ${EXAMPLE}.* | age -d -i key.txt | zstd -d | tar x`]: async (world, block) => {
      const cwd = world.withKey();
      const noise = path.join(world.empty(), "noise");
      fs.mkdirSync(noise);
      for (let i = 0; i < 3; i++) fs.writeFileSync(path.join(noise, `${i}`), incompressible(i));
      const store = storeUrl(world);
      const env = { RESTBACKUP_ACCESS_URL: store };
      const entry = await entryOf(world, `${noise} --name noise --volume-size 1M`, env);
      await world.run(`cp ${fileURLToPath(store)}/${entry}.* .`, {}, { cwd });
      await world.run(block, { [EXAMPLE]: entry }, { cwd });
      needsSame(path.join(cwd, "2"), path.join(noise, "2"));
    },
    "restbackup account create --data /srv/backups --host backup.example.com": async (
      world,
      block,
    ) => {
      const [create, serve] = block.trim().split("\n") as [string, string];
      const cwd = withCertificate(world);
      const data = path.join(cwd, "backups");
      needs(await world.run(create, { "/srv/backups": data }, { cwd }), "@backup.example.com/");
      await serves(world, serve, { "/srv/backups": data }, cwd);
    },
  },
  "docs/legacy-archives.md": { "restbackup list": olderTools },
  "docs/server.md": {
    "restbackup account create --data /srv/restbackup --host backup.example.com --retention 90d --quota 50G":
      accounts,
    "restbackup keygen -o key.txt": async (world, block) => {
      const where = {
        "https://USERNAME:PASSWORD@backup.example.com/": world.server.accessUrl,
      };
      needs(await world.run(block, where, { cwd: world.empty() }), "website-");
    },
    "restbackup check --data /srv/restbackup": accounts,
    "curl -i -u USERNAME:PASSWORD -X POST -H 'X-HTTP-Method-Override: MAKESESSION' https://HOST/":
      async (world, block) => needs(await world.run(block, host(world)), "/session/"),
    "restbackup serve --data /srv/restbackup --listen 10.0.0.5:8080 --behind-tls-proxy": async (
      world,
      block,
    ) => {
      const cwd = withCertificate(world);
      await createAccount(path.join(cwd, "data"), { retentionDays: 30 });
      await serves(world, block.trim(), { "/srv/restbackup": path.join(cwd, "data") }, cwd);
    },
    "restbackup serve --data /srv/restbackup --listen [::]:443 --tls-cert /etc/restbackup/fullchain.pem --tls-key /etc/restbackup/privkey.pem":
      async (world, block) => {
        const cwd = withCertificate(world);
        await createAccount(path.join(cwd, "data"), { retentionDays: 30 });
        const files = {
          "/srv/restbackup": path.join(cwd, "data"),
          "/etc/restbackup/fullchain.pem": "cert.pem",
          "/etc/restbackup/privkey.pem": "key.pem",
        };
        await serves(world, block.trim(), files, cwd);
      },
    "restbackup check --data /srv/restbackup-copy": accounts,
    "restbackup account set USERNAME --data /srv/restbackup --retention 30d": accounts,
    "restbackup account rotate USERNAME --data /srv/restbackup --host backup.example.com": accounts,
  },
  "docs/snapshots.md": {
    "restbackup restore --name website-snapshot --to website-snapshot --key-file key.txt": async (
      world,
      block,
    ) => {
      await entryOf(world, "~/website --name website-snapshot");
      needs(await world.run(block), "# A website");
    },
  },
  "docs/verify.md": {
    "restbackup verify --rehearse --name website --max-age 26h": lineByLine,
    "restbackup restore --name website --fallback --to ./website-restored": lineByLine,
  },
};

/** In a copy of what is in the repository; `npm ci` was done there. */
async function tryIt(world: CommandWorld, block: string): Promise<void> {
  const cwd = world.empty();
  for (const name of ["package.json", "dist", "docs"]) {
    fs.cpSync(path.join(REPOSITORY, name), path.join(cwd, name), { recursive: true });
  }
  const options = {
    cwd,
    env: { HOME: world.empty(), RESTBACKUP_ACCESS_URL: undefined },
  };
  const first = "npm start -- backup docs --name docs";
  if (!block.includes(first)) await world.run(first, {}, options);
  needs(await world.run(block, { "npm ci": "true" }, options), "docs-");
  if (!block.includes("docs-restored")) return;
  needsSame(path.join(cwd, "docs-restored", "format.md"), path.join(cwd, "docs", "format.md"));
}

/** Plain archives for the lines without a passphrase, encrypted ones for those with it. */
async function olderTools(world: CommandWorld, block: string): Promise<void> {
  const passphraseFile = path.join(world.empty(), "passphrase.txt");
  fs.writeFileSync(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
  for (const encrypted of [false, true]) {
    const chain = await makeDailyChain(world.empty(), { encrypted });
    // Stored on the days of 2010 that the lines ask for.
    chain.names.forEach((name, day) => {
      const stored = Date.UTC(2010, 4, 21 + day, 12) / 1000;
      fs.utimesSync(path.join(chain.folder, name), stored, stored);
    });
    const env = { RESTBACKUP_ACCESS_URL: pathToFileURL(chain.folder).href };
    const lines = block.trim().split("\n");
    for (const line of lines.filter((one) => one.includes("passphrase") === encrypted)) {
      const cwd = world.empty();
      const printed = await world.run(line, { "passphrase.txt": passphraseFile }, { cwd, env });
      if (line.endsWith(" list")) needs(printed, `${BASE}-inc10.tar.gz`);
      else needs(fs.readdirSync(path.join(cwd, fs.readdirSync(cwd)[0]!)).join(), "index.html");
    }
  }
}

/** In a data folder with an account, and a copy of it. */
async function accounts(world: CommandWorld, block: string): Promise<void> {
  const data = path.join(world.empty(), "data");
  const { username } = await createAccount(data, { retentionDays: 30 });
  const copy = `${data}-copy`;
  fs.cpSync(data, copy, { recursive: true });
  const substitutes = {
    "/srv/restbackup-copy": copy,
    "/srv/restbackup": data,
    USERNAME: username,
  };
  const printed = await world.run(block, substitutes);
  if (/account (create|rotate)/.test(block)) needs(printed, "@backup.example.com/");
}

/** Each in a folder with the website as it was backed up, and the url of a health check. */
async function lineByLine(world: CommandWorld, block: string): Promise<void> {
  const env = { RESTBACKUP_ACCESS_URL: storeUrl(world), RESTBACKUP_KEY: world.identity };
  await world.run("restbackup backup ~/website", {}, { env });
  for (const line of block.trim().split("\n")) {
    const cwd = world.empty();
    world.website(path.join(cwd, "website"));
    fs.cpSync(path.join(world.home, "website"), path.join(cwd, "website"), {
      recursive: true,
      preserveTimestamps: true,
    });
    // Of a server that answers: what it says is no failure of the rehearsal.
    fs.writeFileSync(path.join(cwd, "ping-url.txt"), world.server.url, { mode: 0o600 });
    needs(await world.run(line, {}, { cwd, env }), "website-");
  }
}

/** Starts a server until it answers, then stops it as a service manager does. */
async function serves(
  world: CommandWorld,
  serve: string,
  substitutes: Readonly<Record<string, string>>,
  cwd: string,
): Promise<void> {
  const port = await freePort();
  const secure = serve.includes("--tls-cert");
  const url = `${secure ? "https" : "http"}://127.0.0.1:${port}/healthz`;
  const script = `${serve} >log 2>&1 & server=$!
    trap 'kill $server; wait $server' EXIT
    for _ in $(seq 150); do
      if curl -sk -o answer ${url}; then cat log; exit 0; fi
      sleep 0.1
    done
    cat log; exit 1`;
  const addresses = { "0.0.0.0:443": 0, "10.0.0.5:8080": 0, "[::]:443": 0 };
  const local = Object.keys(addresses).map((from) => [from, `127.0.0.1:${port}`] as const);
  await world.run(script, { ...Object.fromEntries(local), ...substitutes }, { cwd });
}

/** A folder with a certificate and its key. */
function withCertificate(world: CommandWorld): string {
  const cwd = world.empty();
  const cert = world.server.caFile!;
  fs.copyFileSync(cert, path.join(cwd, "cert.pem"));
  fs.copyFileSync(path.join(path.dirname(cert), "key.pem"), path.join(cwd, "key.pem"));
  fs.chmodSync(path.join(cwd, "key.pem"), 0o600);
  return cwd;
}

const host = ({ server }: CommandWorld) => ({
  "USER:PASSWORD": `${server.username}:${server.password}`,
  "USERNAME:PASSWORD": `${server.username}:${server.password}`,
  "https://HOST/": server.url,
});

/** A folder of its own for backups. */
function storeUrl(world: CommandWorld): string {
  return pathToFileURL(world.empty()).href;
}

const backUp = (world: CommandWorld) => entryOf(world, "~/website");

/** Makes a backup, by default on the server, and gives its name. */
async function entryOf(
  world: CommandWorld,
  args: string,
  env: Record<string, string> = {},
): Promise<string> {
  const made = await world.run(`restbackup backup ${args} --key-file key.txt --json`, {}, { env });
  return (JSON.parse(made) as { entry: string }).entry;
}

function incompressible(seed: number): Buffer {
  const bytes = Buffer.alloc(900_000);
  for (let at = 0, state = seed + 1; at < bytes.length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function needs(printed: string, part: string): void {
  if (!printed.includes(part)) throw new Error(`there is no ${part} in: ${printed}`);
}

function needsSame(file: string, original: string): void {
  if (!fs.readFileSync(file).equals(fs.readFileSync(original))) throw new Error(`${file} differs`);
}

function needsWebsite(folder: string): void {
  needs(fs.readFileSync(path.join(folder, "index.html"), "utf8"), "Hello");
}
