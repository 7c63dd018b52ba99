import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { withoutImportsOfBuiltins } from "./builtins.ts";
import { collectLicenses } from "./licenses.ts";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Programs and their sources. They share most of what they load. */
const programs = {
  cli: "src/cli/main.ts",
  backup: "src/action/backup.ts",
  "cache-process": "src/action/cache-process.ts",
  restore: "src/action/restore.ts",
  verify: "src/action/verify.ts",
  snapshot: "src/action/snapshot.ts",
};

/**
 * Workers, started by the name of their file, so all lie side by side. Each is one file: a module
 * more takes half a millisecond to load, of which a backup waits for every one.
 */
const workers = {
  "archive-worker": "src/archive/archive-worker.ts",
  "file-worker": "src/archive/file-worker.ts",
  "pack-worker": "src/archive/pack-worker.ts",
  "restore-worker": "src/archive/restore-worker.ts",
};

/** What runs in someone's workflow, and how many bytes of code it may load. */
const limits: Record<string, number> = {
  "backup.js": 1_000_000,
  "restore.js": 1_000_000,
  "verify.js": 1_000_000,
  "snapshot.js": 1_000_000,
  // Started by the first two where `cache` asks for it, as a process of its own.
  "cache-process.js": 1_000_000,
};

/** Bundled CommonJS packages call `require`, which ES modules lack, for Node's own modules alone. */
const REQUIRE =
  "const require=m=>{const own=process.getBuiltinModule(m);if(own)return own;" +
  'throw new Error("Cannot find module "+m)};';

/** Replaces packages, or modules of theirs, that are far larger than our use of them. */
const slim: Plugin = {
  name: "slim",
  setup({ onResolve }) {
    const undici = fileURLToPath(import.meta.resolve("./slim/undici.js"));
    const httpClient = fileURLToPath(import.meta.resolve("./slim/actions-http-client.js"));
    const cacheTar = fileURLToPath(import.meta.resolve("./slim/actions-cache-tar.js"));
    const cacheUndici = fileURLToPath(import.meta.resolve("./slim/http-client-undici.js"));
    const xml = fileURLToPath(import.meta.resolve("./slim/azure-core-xml.js"));
    const childProcess = fileURLToPath(import.meta.resolve("./slim/commander-child-process.js"));
    const llhttp = fileURLToPath(import.meta.resolve("undici/lib/llhttp/llhttp-wasm.js"));
    // Its change to a prototype must stay, though package.json says that no module of ours acts.
    onResolve({ filter: /^undici$/ }, ({ importer }) =>
      isIn("@actions/http-client", importer)
        ? { path: cacheUndici }
        : { path: undici, sideEffects: true },
    );
    onResolve({ filter: /^@actions\/http-client(\/.*)?$/ }, ({ importer }) =>
      isIn("@actions/cache", importer) ? undefined : { path: httpClient },
    );
    onResolve({ filter: /^\.\/internal\/tar\.js$/ }, ({ importer }) =>
      isIn("@actions/cache", importer) ? { path: cacheTar } : undefined,
    );
    onResolve({ filter: /^@azure\/core-xml$/ }, () => ({ path: xml }));
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      isIn("commander", importer) ? { path: childProcess } : undefined,
    );
    // One HTTP parser instead of two: the one without SIMD runs on every processor.
    onResolve({ filter: /llhttp_simd-wasm\.js$/ }, () => ({ path: llhttp }));
  },
};

/** Whether a module belongs to a package, or to one that is nested in it. */
function isIn(name: string, module: string): boolean {
  return module.replaceAll("\\", "/").includes(`/node_modules/${name}/`);
}

export interface Bundle {
  /** Every file of dist, by its name there. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The bytes of code each entry loads. */
  readonly loads: ReadonlyMap<string, Load>;
}

interface Load {
  /** When it starts: itself and all that is imported statically from there. */
  readonly start: number;
  /** With everything it may import later. */
  readonly all: number;
}

const options = {
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  chunkNames: "chunk-[hash]",
  format: "esm",
  platform: "node",
  target: "node22",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  // undici's own switch for builds without its second, experimental HTTP parser.
  define: { esbuildDetection: "true" },
  plugins: [slim],
  metafile: true,
  write: false,
  logLevel: "warning",
} as const satisfies BuildOptions;

/** Builds everything in memory. The same sources and packages give the same bytes. */
export async function bundle(): Promise<Bundle> {
  const results = await Promise.all([
    build({ ...options, entryPoints: programs, splitting: true }),
    build({ ...options, entryPoints: workers, splitting: false }),
  ]);
  const files = new Map<string, Uint8Array>();
  for (const { path, contents } of results.flatMap(({ outputFiles }) => outputFiles)) {
    files.set(basename(path), Buffer.from(finished(Buffer.from(contents).toString())));
  }
  const [inputs, outputs] = (["inputs", "outputs"] as const).map((part) =>
    Object.assign({}, ...results.map(({ metafile }) => metafile[part])),
  );
  const metafile: Metafile = { inputs, outputs };
  // dist also runs where no package.json above it says that these are ES modules.
  files.set("package.json", Buffer.from('{ "type": "module" }\n'));
  files.set("LICENSES.txt", Buffer.from(await collectLicenses(root, metafile)));
  return { files, loads: loadsOf(metafile) };
}

/** Throws when something that runs in a workflow has grown over its limit. */
export function checkLimits({ loads }: Bundle): void {
  for (const [entry, limit] of Object.entries(limits)) {
    const bytes = loads.get(entry)?.all ?? Number.POSITIVE_INFINITY;
    if (bytes > limit) throw new Error(`dist/${entry} loads ${bytes} bytes; the limit is ${limit}`);
  }
}

/** What esbuild made, with what it leaves to others. */
function finished(code: string): string {
  const [hashbang = ""] = /^#!.*\n/.exec(code) ?? [];
  const body = withoutImportsOfBuiltins(code.slice(hashbang.length));
  return hashbang + (/\brequire\b/.test(body) ? REQUIRE + body : body);
}

function loadsOf({ outputs }: Metafile): Map<string, Load> {
  const loads = new Map<string, Load>();
  for (const path of Object.keys(outputs)) {
    // A module loaded by `import()` has an entry point too; only ours are asked about.
    if (!Object.hasOwn({ ...programs, ...workers }, basename(path, ".js"))) continue;
    loads.set(basename(path), {
      start: reachable(outputs, path, ["import-statement"]),
      all: reachable(outputs, path, ["import-statement", "dynamic-import"]),
    });
  }
  return loads;
}

/** Bytes of a file of the build and all it reaches by imports of these kinds. */
function reachable(outputs: Metafile["outputs"], path: string, kinds: readonly string[]): number {
  const seen = new Set([path]);
  for (const loaded of seen) {
    for (const { path: imported, kind } of outputs[loaded]?.imports ?? []) {
      if (kinds.includes(kind) && imported in outputs) seen.add(imported);
    }
  }
  return [...seen].reduce((sum, loaded) => sum + (outputs[loaded]?.bytes ?? 0), 0);
}
