// Saves one file to the cache of GitHub Actions, or brings it back: in a process of its own, which can
// be ended when the cache hangs, and whose log is not the step's (docs/decisions/0016-cache.md).
// Arguments: save|load KEY. The file is the one named `archive` in the working directory.
import { isFeatureAvailable, restoreCache, saveCache } from "@actions/cache";
import { ARCHIVE, EXIT } from "./cache-protocol.ts";

/** One cached copy serves runners of every system. */
const CROSS_OS = true;

const [action, key] = process.argv.slice(2) as ["save" | "load", string];
const status = await run().catch((error: unknown) => {
  console.log(`Failed to ${action}: ${error instanceof Error ? error.message : String(error)}`);
  return EXIT.failed;
});
// Idle connections would keep the process for a while.
process.stdout.write("", () => process.exit(status));

async function run(): Promise<number> {
  if (!isFeatureAvailable()) return EXIT.unavailable;
  if (action === "save") {
    const id = await saveCache([ARCHIVE], key, undefined, CROSS_OS);
    return id === -1 ? EXIT.failed : EXIT.done;
  }
  // The service may answer with a longer key that begins with this one.
  const found = await restoreCache([ARCHIVE], key, undefined, undefined, CROSS_OS);
  return found === key ? EXIT.done : EXIT.missed;
}
