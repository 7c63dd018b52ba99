import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { printable } from "../naming.ts";
import { EXIT } from "./cache-protocol.ts";

/** How a call to the cache ended: as asked, or why not, in words that name no secret. */
export type CacheAnswer =
  | { readonly done: true }
  | { readonly done: false; readonly reason: string };

interface CacheCall {
  /** The name of the stored object whose content it is. */
  readonly name: string;
  /** The folder where the content is, or is to be, the file named `archive`. Used for scratch files too. */
  readonly folder: string;
  /** Bytes of the content; bounds the time that is waited. */
  readonly size: number;
  readonly signal?: AbortSignal | undefined;
}

/** The cache of GitHub Actions. Its calls end in bounded time and never throw. */
export interface CacheService {
  save(call: CacheCall): Promise<CacheAnswer>;
  load(call: CacheCall): Promise<CacheAnswer>;
}

/** Milliseconds given to a call however little there is to move. */
const PATIENCE = 10_000;
/** Bytes a second below which the store is likely to be as fast. */
const SLOWEST = 4 * 2 ** 20;
/** What the process says is only looked through for why it failed. */
const KEPT_LOG = 2 ** 16;

/** The cache service that the variables of a runner name, through the real `@actions/cache`. */
export function actionsCache(env: NodeJS.ProcessEnv): CacheService {
  const start = async (action: "save" | "load", call: CacheCall): Promise<CacheAnswer> => {
    try {
      return await run(action, call, env);
    } catch (error) {
      // A machine that can start no process.
      return { done: false, reason: error instanceof Error ? error.message : String(error) };
    }
  };
  return { save: (call) => start("save", call), load: (call) => start("load", call) };
}

function run(
  action: "save" | "load",
  { name, folder, size, signal }: CacheCall,
  env: NodeJS.ProcessEnv,
): Promise<CacheAnswer> {
  const { promise, resolve } = Promise.withResolvers<CacheAnswer>();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`./cache-process.${extension}`, import.meta.url));
  const timeout = PATIENCE + Math.ceil((size / SLOWEST) * 1000);
  const child = spawn(process.execPath, [script, action, cacheKey(name)], {
    cwd: folder,
    env: { ...passedOn(env), RUNNER_TEMP: folder, GITHUB_WORKSPACE: folder },
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
    timeout,
    killSignal: "SIGKILL",
    ...(signal === undefined ? {} : { signal }),
  });
  let log = "";
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-KEPT_LOG);
    });
  }
  child.on("error", ({ message }) => resolve({ done: false, reason: message }));
  child.on("close", (status, killed) => {
    if (killed === "SIGKILL") {
      const seconds = Math.round(timeout / 1000);
      resolve({ done: false, reason: `it did not answer within ${seconds} seconds` });
    } else resolve(answerOf(status, log));
  });
  return promise;
}

/** What a call came to, by how its process ended and what it said. */
export function answerOf(status: number | null, log: string): CacheAnswer {
  if (status === EXIT.unavailable) {
    return { done: false, reason: "this runner offers none to the step" };
  }
  const complaint = complaintIn(log);
  // The package reports some failures in its log alone.
  if (status === EXIT.done && complaint === undefined) return { done: true };
  const silent = status === EXIT.missed ? "it holds no copy" : "it failed without saying why";
  return { done: false, reason: complaint ?? silent };
}

/** The last thing the package complained of, without urls: theirs are signed. */
function complaintIn(log: string): string | undefined {
  const lines = log.matchAll(/^(?:::(?:warning|error)::|(?=Failed to |Cache \w+ skipped))(.*)$/gm);
  const text = [...lines]
    .at(-1)?.[1]
    ?.trim()
    .replace(/^Failed to (save|restore|load): /, "");
  if (!text) return undefined;
  return printable(text.replaceAll(/%0[AD]/g, " ").replaceAll(/\bhttps?:\/\/\S+/g, "(url)"));
}

/** Keys may hold no comma and 512 characters (`checkKey` of @actions/cache); names may. */
export function cacheKey(name: string): string {
  const key = `restbackup-${name}`;
  if (key.length <= 512 && !key.includes(",")) return key;
  return `restbackup-${createHash("sha256").update(name).digest("hex")}`;
}

/**
 * The variables that the cache, the proxy and the system are reached by; no input, above all. And no
 * PATH: whether a `zstd` is found would become part of what a cached copy is known by.
 */
function passedOn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted =
    /^(ACTIONS_(CACHE|RESULTS|RUNTIME)_.*|GITHUB_SERVER_URL|(https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|SYSTEMROOT|WINDIR)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => wanted.test(name)));
}
